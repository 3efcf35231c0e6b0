"""The story of a training run: read the rows, load the base, show the rows epoch by epoch, write the adapter."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from argosy.tuning.trainers import checkpoint, machine
from argosy.tuning.trainers.adapter import Adapter
from argosy.tuning.trainers.augment import Augmenter
from argosy.tuning.trainers.batches import make_batch, parts
from argosy.tuning.trainers.convert import write_adapter
from argosy.tuning.trainers.model import Model, Outcome
from argosy.tuning.trainers.optimise import Optimiser
from argosy.tuning.trainers.protocol import (
    ADAPTER_FILE,
    Checkpoint,
    Finished,
    Hyperparameters,
    Started,
    Step,
    TrainerSpec,
    Validation,
    read_spec,
)
from argosy.tuning.trainers.recipe import resolve
from argosy.tuning.trainers.report import Report
from argosy.tuning.trainers.rows import deal, encode, read_rows
from argosy.tuning.trainers.tokens import ChatTokenizer, Example
from argosy.tuning.trainers.weights import read_base

SCORE_ALL_EVERY = 8  # steps; the first epoch scores the whole vocabulary at every step


def train(folder: Path, began: float) -> None:
    """Carry out the order in `folder`; `began` is when the process started, in seconds since the epoch.

    Raises Invalid, with words for the user, when the rows or the base cannot be trained.
    """
    spec = read_spec(folder)
    report = Report(folder)
    report.add("import", time.time() - began)
    machine.prepare(spec.threads)
    with report.timed("load"):
        run = Run(folder, spec, report)
    run.announce()
    for epoch in range(run.optimiser.steps // run.steps_per_epoch, run.settings.n_epochs):
        run.epoch(epoch)
    run.finish(began)


class Run:
    """Everything one training run holds while it lasts."""

    def __init__(self, folder: Path, spec: TrainerSpec, report: Report) -> None:
        self.folder, self.report = folder, report
        self.precision = machine.choose_dtype(spec.precision)
        base = read_base(Path(spec.base_gguf), self.precision)
        rows = read_rows(spec.train_rows)
        self.shape, self.tokenizer = base.shape, ChatTokenizer(base.metadata)
        self.examples = encode(rows, self.tokenizer, base.shape.context)
        self.augmenter = Augmenter(rows, spec.seed, self.tokenizer.words()) if spec.augmentation == "auto" else None
        held_out = read_rows(spec.validation_rows) if spec.validation_rows else []
        self.validation = encode(held_out, self.tokenizer, base.shape.context)
        share = self.augmenter.share if self.augmenter else 0.0
        self.settings = resolve(spec, self.examples, self.shape.layers, share)
        self.steps_per_epoch = -(-len(self.examples) // self.settings.batch_size)
        self.total_steps = self.settings.n_epochs * self.steps_per_epoch
        chosen = self.settings
        self.adapter = Adapter(base, chosen.rank, chosen.alpha, chosen.seed, chosen.first_layer)
        self.model = Model(base, self.adapter)
        self.optimiser = Optimiser(self.adapter, self.settings.learning_rate, self.total_steps)
        self.fingerprint = _fingerprint(self.settings, rows)
        self.trained_tokens = checkpoint.restore(folder, self.model, self.optimiser, self.fingerprint)
        self.resumed_step = self.optimiser.steps
        self._clock = time.perf_counter()

    def announce(self) -> None:
        """Tell the worker what is about to happen."""
        self.report.send(Started(
            total_steps=self.total_steps,
            epochs=self.settings.n_epochs,
            rows=len(self.examples),
            tokens_per_epoch=sum(len(example) for example in self.examples),
            hyperparameters=self.settings,
            precision="bf16" if self.precision is torch.bfloat16 else "fp32",
            resumed_step=self.resumed_step,
        ))  # fmt: skip

    def epoch(self, epoch: int) -> None:
        """Show every row once, then keep a checkpoint."""
        examples = self._presented(epoch)
        batches = deal(examples, self.settings.batch_size, self.settings.seed, epoch)
        with self.report.timed("train"):
            for batch in batches:
                outcome = self._step(epoch, batch)
        metrics = {"train_loss": outcome.loss, "train_mean_token_accuracy": outcome.accuracy}
        if self.validation:
            with self.report.timed("validate"):
                metrics |= self._validate()
        with self.report.timed("checkpoint"):
            self._checkpoint(epoch, metrics)

    def finish(self, began: float) -> None:
        """Write the adapter, and say that all went well."""
        with self.report.timed("convert"):
            path = self.folder / ADAPTER_FILE
            write_adapter(path, self.shape, self.adapter, *self.optimiser.served())
            content = path.read_bytes()
        self.report.phases()
        self.report.send(Finished(
            trained_tokens=self.trained_tokens,
            adapter=ADAPTER_FILE,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            steps=self.optimiser.steps,
            wall_s=round(time.time() - began, 3),
        ))  # fmt: skip

    def _presented(self, epoch: int) -> list[Example]:
        """The rows as this epoch shows them: mostly with exchanged values, see augment.py."""
        if self.augmenter is None or self.augmenter.share == 0:
            return self.examples
        return encode(self.augmenter.present(epoch), self.tokenizer, self.shape.context)

    def _step(self, epoch: int, examples: Sequence[Example]) -> Outcome:
        """One update from one batch."""
        start = time.perf_counter()
        outcome, tokens = Outcome(0.0, 0.0), sum(len(example) for example in examples)
        answers = sum(sum(example.trained) for example in examples)
        for part in parts(examples):
            laid = make_batch(part, answers)
            if epoch == 0 or self.optimiser.steps % SCORE_ALL_EVERY == 0:
                self.model.score_all()
            else:
                self.model.score_plausible(laid)
            outcome += self.model.train(laid)
        self.optimiser.step()
        self.trained_tokens += tokens
        done = self.optimiser.steps - self.resumed_step
        pace = (time.perf_counter() - self._clock) / done
        self.report.send(Step(
            step=self.optimiser.steps,
            epoch=epoch + 1,
            loss=round(outcome.loss, 5),
            token_accuracy=round(outcome.accuracy, 4),
            tokens_per_s=round(tokens / (time.perf_counter() - start), 1),
            trained_tokens=self.trained_tokens,
            eta_s=round(pace * (self.total_steps - self.optimiser.steps), 1),
        ))  # fmt: skip
        return outcome

    def _validate(self) -> dict[str, float]:
        answers = sum(sum(example.trained) for example in self.validation)
        outcome = Outcome(0.0, 0.0)
        for part in parts(self.validation):
            outcome += self.model.measure(make_batch(part, answers))
        loss, accuracy = outcome.loss, outcome.accuracy
        self.report.send(Validation(self.optimiser.steps, round(loss, 5), round(accuracy, 4)))
        return {"full_valid_loss": loss, "full_valid_mean_token_accuracy": accuracy}

    def _checkpoint(self, epoch: int, metrics: dict[str, float]) -> None:
        path = checkpoint.save(self.folder, self.model, self.optimiser, self.trained_tokens, self.fingerprint)
        relative = path.relative_to(self.folder)
        self.report.send(Checkpoint(
            step=self.optimiser.steps,
            epoch=epoch + 1,
            directory=str(relative),
            adapter=str(relative / ADAPTER_FILE),
            metrics={name: round(value, 5) for name, value in metrics.items()},
        ))  # fmt: skip


def _fingerprint(settings: Hyperparameters, rows: object) -> str:
    """What must be equal for a checkpoint to belong to this run."""
    return hashlib.sha256(msgspec.json.encode([settings, rows])).hexdigest()
