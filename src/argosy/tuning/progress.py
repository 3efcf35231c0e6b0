"""From the trainer's records to what a caller sees: events, checkpoints, an estimate. Pure: `store` writes it."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from argosy.tuning.trainers.protocol import AnyRecord, Checkpoint, Finished, Phase, Started, Step, Validation


class Progress(msgspec.Struct):
    """How far a job has come. Kept in its row and written in the same transaction as the events it led to."""

    offset: int = 0
    """Bytes of progress.jsonl already turned into events."""
    step: int = 0
    """Last step shown. A trainer that resumes repeats the steps since its checkpoint: those are not shown twice."""
    validation_step: int = -1
    total_steps: int = 0
    interruptions: int = 0
    """How often the trainer died by a signal."""
    seconds: dict[str, float] = {}
    """Where the time went, by phase."""
    planned_tokens: int = 0
    """Tokens of the rows, as they are in the file, times epochs: no more is charged, whatever was made of them. 0:
    not known yet.
    """
    settings: dict[str, Any] = {}
    """All hyperparameters as the trainer resolved them."""
    finished: Finished | None = None


class Event(msgspec.Struct, frozen=True):
    """One event to be shown. ``kind`` is OpenAI's type: message or metrics."""

    message: str
    level: str = "info"
    kind: str = "message"
    data: dict[str, Any] | None = None


@dataclass
class Batch:
    """What a few records change, to be written at once."""

    progress: Progress
    events: list[Event] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    hyperparameters: dict[str, Any] | None = None
    trained_tokens: int | None = None
    eta_s: float | None = None


def fold(before: Progress, records: list[AnyRecord], offset: int) -> Batch:
    """The batch that these records make; ``offset`` is where the next ones begin."""
    batch = Batch(msgspec.structs.replace(before, offset=offset, seconds=dict(before.seconds)))
    for record in records:
        match record:
            case Started():
                _start(batch, record)
            case Step():
                _step(batch, record)
            case Validation():
                _validation(batch, record)
            case Checkpoint():
                batch.checkpoints.append(record)
            case Phase():
                batch.events.append(spent(batch.progress, record.name, record.seconds))
            case Finished():
                batch.progress.finished = record
                batch.trained_tokens = record.trained_tokens
    return batch


def spent(progress: Progress, phase: str, seconds: float) -> Event:
    """Account time to a phase, which may come several times, and return the event that says so."""
    progress.seconds[phase] = round(progress.seconds.get(phase, 0.0) + seconds, 3)
    return Event(f"{phase}: {seconds:.2f} s", data={"phase": phase, "seconds": round(seconds, 3)})


def _start(batch: Batch, record: Started) -> None:
    batch.progress.total_steps = record.total_steps
    batch.progress.planned_tokens = record.epochs * record.tokens_per_epoch
    chosen = record.hyperparameters
    batch.progress.settings = msgspec.to_builtins(chosen)
    batch.hyperparameters = {
        "n_epochs": chosen.n_epochs,
        "batch_size": chosen.batch_size,
        "learning_rate_multiplier": chosen.learning_rate_multiplier,
    }
    message = (
        f"Training on {record.rows} rows: {record.epochs} epochs, {record.total_steps} steps, "
        f"{record.tokens_per_epoch} tokens an epoch, {record.precision}"
    )
    if record.resumed_step:
        message += f", resumed from step {record.resumed_step}"
    data = {
        "total_steps": record.total_steps,
        "resumed_step": record.resumed_step,
        "precision": record.precision,
        "hyperparameters": batch.progress.settings,
    }
    batch.events.append(Event(message, data=data))


def _step(batch: Batch, record: Step) -> None:
    batch.eta_s = record.eta_s
    if record.step <= batch.progress.step:
        return
    batch.progress.step = record.step
    total = batch.progress.total_steps
    data = {
        "step": record.step,
        "total_steps": total,
        "epoch": record.epoch,
        "train_loss": record.loss,
        "train_mean_token_accuracy": record.token_accuracy,
        "tokens_per_s": record.tokens_per_s,
        "trained_tokens": record.trained_tokens,
        "eta_s": record.eta_s,
    }
    batch.events.append(
        Event(f"Step {record.step}/{total}: training loss={record.loss:.4f}", kind="metrics", data=data)
    )


def _validation(batch: Batch, record: Validation) -> None:
    if record.step <= batch.progress.validation_step:
        return
    batch.progress.validation_step = record.step
    data = {
        "step": record.step,
        "total_steps": batch.progress.total_steps,
        "full_valid_loss": record.loss,
        "full_valid_mean_token_accuracy": record.token_accuracy,
    }
    batch.events.append(Event(f"Step {record.step}: validation loss={record.loss:.4f}", kind="metrics", data=data))
