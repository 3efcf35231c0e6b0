"""A fine-tuning job from the client's side: upload, create, follow to its end, and know where the time went."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from argosy.demo.platform import STARTER
from argosy.demo.task import Task

POLL_S = 0.4
PHASES = ("files", "queue", "import", "load", "train", "validate", "checkpoint", "convert", "publish", "attach")
"""In the order in which a job goes through them; a phase that is not listed comes last."""
PATIENCE_S = 1_800.0
SUFFIX = "charts"


class JobFailed(Exception):
    """The job did not succeed; the message carries the platform's reason."""


@dataclass(frozen=True)
class Progress:
    """One step of training, as a metrics event reports it; ``eta_s`` is None when the event does not say."""

    step: int
    total_steps: int
    loss: float
    tokens_per_s: float
    eta_s: float | None = None


@dataclass
class Followed:
    """A job and its times, in seconds since it was created."""

    job_id: str
    model: str = ""
    trained_tokens: int = 0
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    reached: dict[str, float] = field(default_factory=dict)
    """When each status was first seen."""
    phases: dict[str, float] = field(default_factory=dict)
    """How long each phase took, as the platform's own events report it."""
    curve: list[Progress] = field(default_factory=list)
    first_answer_s: float = 0.0
    """From the request that created the job to the end of the new model's first answer."""


def upload(client: OpenAI, task: Task) -> str:
    """Upload the training rows; the file's id."""
    name = f"charts-{task.language}.jsonl"
    return client.files.create(file=(name, task.training), purpose="fine-tune").id


def create(client: OpenAI, file_id: str, seed: int) -> str:
    """Create a job with the platform's own choice of hyperparameters; the job's id."""
    return client.fine_tuning.jobs.create(model=STARTER, training_file=file_id, suffix=SUFFIX, seed=seed).id


def follow(client: OpenAI, job_id: str, created: float, show: Callable[[str, Progress | None], None]) -> Followed:
    """Return when the job has succeeded. ``created`` is `time.monotonic()` at the request that made the job.

    ``show`` hears the status and the latest step. Raises JobFailed when the job fails, is cancelled or takes over half
    an hour.
    """
    found, seen = Followed(job_id), set[str]()
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        found.reached.setdefault(job.status, time.monotonic() - created)
        if job.status in ("succeeded", "failed", "cancelled"):
            return _ended(client, job, found, seen)
        if time.monotonic() - created > PATIENCE_S:
            raise JobFailed(f"{job_id} is still {job.status} after {PATIENCE_S / 60:.0f} minutes")
        _hear(client.fine_tuning.jobs.list_events(job_id, limit=100).data, found, seen)
        show(job.status, found.curve[-1] if found.curve else None)
        time.sleep(POLL_S)


def complete_curve(client: OpenAI, found: Followed) -> None:
    """Read all events again, page by page, so that none is missing. After the first answer, which must not wait."""
    found.curve.clear()
    found.phases.clear()
    _hear(list(client.fine_tuning.jobs.list_events(found.job_id, limit=100)), found, set())
    order = {name: place for place, name in enumerate(PHASES)}
    found.phases = dict(sorted(found.phases.items(), key=lambda phase: order.get(phase[0], len(order))))


def _ended(client: OpenAI, job: FineTuningJob, found: Followed, seen: set[str]) -> Followed:
    if job.status != "succeeded" or not job.fine_tuned_model:
        events = client.fine_tuning.jobs.list_events(job.id, limit=5).data
        reason = job.error.message if job.error else "; ".join(event.message for event in events)
        raise JobFailed(f"{job.id} {job.status}: {reason or 'no reason given'}")
    found.model, found.trained_tokens = job.fine_tuned_model, job.trained_tokens or 0
    found.hyperparameters = job.hyperparameters.model_dump(exclude_none=True) if job.hyperparameters else {}
    return found


def _hear(events: list[FineTuningJobEvent], found: Followed, seen: set[str]) -> None:
    for event in sorted(events, key=lambda one: (one.created_at, one.id)):
        if event.id in seen or not isinstance(event.data, dict):
            continue
        seen.add(event.id)
        if "train_loss" in event.data:
            found.curve.append(_progress(event.data))
        elif "phase" in event.data and "seconds" in event.data:
            # A phase may come several times: each checkpoint, and each part of a run that was interrupted.
            name = str(event.data["phase"])
            found.phases[name] = found.phases.get(name, 0.0) + float(event.data["seconds"])
    found.curve.sort(key=lambda one: one.step)


def _progress(data: dict[str, Any]) -> Progress:
    left = data.get("eta_s")
    return Progress(
        int(data["step"]),
        int(data.get("total_steps") or data["step"]),
        float(data["train_loss"]),
        float(data.get("tokens_per_s") or 0.0),
        None if left is None else float(left),
    )
