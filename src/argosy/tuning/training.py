"""Training one job: a trainer process on its folder, its records as events, and another try if it is killed."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from argosy.billing import funds
from argosy.billing.prices import prices_by_id
from argosy.core import ArgosyError, Internal, Invalid, OverBudget, RateLimited, Unavailable, charge, now
from argosy.runtime import Database, Transaction
from argosy.runtime.processes import Child
from argosy.runtime.shifts import Interrupted
from argosy.tuning import store
from argosy.tuning.progress import Batch, Event, fold
from argosy.tuning.store import Job
from argosy.tuning.trainer import COMMAND, read_failure, read_records, start_trainer, what_is_missing
from argosy.tuning.trainers.protocol import Failure, TrainerSpec, read_spec, write_spec

_POLL_S = 0.1
_STOP_GRACE_S = 1.0
_INTERRUPTIONS_MAX = 2
_MONEY_POLL_S = 0.5
_MONEY_S_MAX = 15.0
"""How long a job waits for money that gateways hold and may give back, which takes them a second or two."""


class Training:
    """The training of one running job. Run again on the same folder, it goes on from the last checkpoint."""

    def __init__(
        self,
        database: Database,
        job: Job,
        folder: Path,
        stopping: threading.Event,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._database, self._job, self._folder = database, job, folder
        self._stopping, self._command = stopping, command

    def run(self, spec: TrainerSpec) -> bool:
        """Train to the end. False if the job was cancelled meanwhile.

        Raises ArgosyError with what the user should know if training failed, Interrupted if the worker is stopping.
        """
        missing = what_is_missing() if self._command is COMMAND else None
        if missing:
            raise Unavailable(missing, code="trainer_not_installed")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._order(spec)
        while self._absorb():
            if self._job.progress.finished is not None:
                return True
            child = start_trainer(self._folder, self._command)
            try:
                if not self._follow(child):
                    return False
            finally:
                child.terminate(_STOP_GRACE_S)
            self._judge(child)
        return False

    def _order(self, spec: TrainerSpec) -> None:
        """Leave the order in the folder, unless it is there: a run goes on only under the one it began with."""
        try:
            ordered = Path(read_spec(self._folder).base_gguf).exists()
        except (OSError, msgspec.MsgspecError):
            ordered = False
        if not ordered:
            write_spec(self._folder, spec)

    def _follow(self, child: Child) -> bool:
        """Turn records into events until the process ends. False if the job was cancelled meanwhile."""
        while not child.wait(_POLL_S):
            if self._stopping.is_set():
                raise Interrupted
            if not self._absorb():
                return False
        return self._absorb()

    def _absorb(self) -> bool:
        """Take in what the trainer wrote since the last time. False if the job is not running any more."""
        before = self._job.progress
        records, offset = read_records(self._folder, before.offset)
        if offset == before.offset:
            with self._database.read() as tx:
                found = store.get_job(tx, self._job.project_id, self._job.id)
            return found is not None and found.status == "running"
        batch = fold(before, records, offset)
        if batch.progress.planned_tokens != before.planned_tokens:
            return self._held(lambda: self._write(batch))
        return self._write(batch)

    def _held(self, write: Callable[[], bool]) -> bool:
        """Write what tells the cost, which holds the money for it: what others hold of it may come back."""
        until = time.monotonic() + _MONEY_S_MAX
        while True:
            try:
                return write()
            except RateLimited as error:
                if time.monotonic() > until:
                    raise OverBudget(f"{error.message} Try again when they are done.", code=error.code) from error
            if self._stopping.wait(_MONEY_POLL_S):
                raise Interrupted

    def _write(self, batch: Batch) -> bool:
        finish = None if batch.eta_s is None else now() + round(batch.eta_s)
        with self._database.write() as tx:
            if not store.absorb(tx, self._job, batch, finish):
                return False
            self._hold(tx, batch.progress.planned_tokens)
        self._job = msgspec.structs.replace(self._job, progress=batch.progress)
        return True

    def _hold(self, tx: Transaction, tokens: int) -> None:
        """Hold what the whole training costs, unless it is held. Raises OverBudget, Unpaid, RateLimited."""
        job = self._job
        if tokens == job.progress.planned_tokens:
            return
        rate = prices_by_id(tx, [job.price_version])[job.price_version].training
        payer = funds.Payer(job.organization_id, job.project_id, job.key_id, job.model)
        funds.hold_for_job(tx, job.id, payer, charge(tokens, rate))

    def _judge(self, child: Child) -> None:
        """After the process has ended: nothing if it is done or may try again, else raise why it failed."""
        code = child.exit_code or 0
        if code == 0 and self._job.progress.finished is not None:
            return
        if code >= 0:
            failure = read_failure(self._folder)
            if failure is not None:
                raise _as_error(failure)
            raise Internal(
                f"The trainer ended with exit code {code} and no result. Its last words: {child.last_words(300)}",
                code="trainer_failed",
            )
        self._interrupted(signal.Signals(-code).name)

    def _interrupted(self, name: str) -> None:
        progress = msgspec.structs.replace(self._job.progress, interruptions=self._job.progress.interruptions + 1)
        if progress.interruptions > _INTERRUPTIONS_MAX:
            raise Internal(
                f"The trainer was killed by {name} {progress.interruptions} times and was not started again. "
                "The machine may be short of memory: try a smaller batch_size.",
                code="trainer_killed",
            )
        note = Event(
            f"The trainer was interrupted ({name}) after step {progress.step}; going on from its last checkpoint",
            level="warn",
        )
        with self._database.write() as tx:
            store.change(tx, self._job, "running", [note], come_from=("running",), progress=progress)
        self._job = msgspec.structs.replace(self._job, progress=progress)
        time.sleep(_POLL_S)


def _as_error(failure: Failure) -> ArgosyError:
    """What the trainer said, with the field of the request that it is about."""
    if failure.code == "internal_error":
        return Internal(failure.message, code=failure.code)
    about_model = failure.code.endswith("_not_supported")
    return Invalid(failure.message, code=failure.code, param="model" if about_model else "training_file")
