"""The story of a fine-tuning job, told in stages: validate, train, publish, attach, settle.

Invariants: every stage may be repeated; a status only changes from the one it must come from, so a cancelled job stays
cancelled; the bill and the success are one transaction. Whatever goes wrong ends as `failed` with words for the user.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from argosy import datasets
from argosy.core import ArgosyError, Internal, Settings, Unavailable, now_us
from argosy.runtime import Blobs, Database, Transaction, is_outage
from argosy.runtime.shifts import Interrupted, Shift, Stage
from argosy.tuning import store
from argosy.tuning.ending import billed_tokens, charge, clear, fail
from argosy.tuning.engines import Engines, not_deployed
from argosy.tuning.line import Line
from argosy.tuning.progress import Event, spent
from argosy.tuning.publishing import keep_checkpoints, publish
from argosy.tuning.store import Job
from argosy.tuning.trainer import COMMAND
from argosy.tuning.trainers.protocol import TrainerSpec
from argosy.tuning.training import Training

_LOG = logging.getLogger(__name__)
_ATTACH_POLL_S = 0.05
_ATTACH_S_MAX = 300.0
_RETRY_S = 1.0


class Tuner:
    """Carries out the jobs of one worker. Its `stages` are what `argosy.runtime.jobs` runs."""

    kind = "fine_tune"

    def __init__(
        self,
        settings: Settings,
        database: Database,
        blobs: Blobs,
        engines: Engines,
        *,
        command: Sequence[str] = COMMAND,
        attach_s_max: float = _ATTACH_S_MAX,
    ) -> None:
        self._shift = Shift()
        self.stopping = self._shift.stopping
        self.wait_until_idle = self._shift.wait_until_idle
        self._database, self._blobs, self._command = database, blobs, command
        self._engines = engines
        self._folders = settings.home / "tuning"
        self._line = Line(self.stopping)
        self._attach_s_max = attach_s_max

    def to_do(self, tx: Transaction) -> list[str]:
        """Ids of the jobs that have not ended."""
        return store.unfinished(tx)

    def stages(self) -> list[Stage]:
        """The story, in order."""
        return [self.validate, self.train, self.publish, self.attach, self.settle]

    def validate(self, job_id: str) -> bool:
        """validating_files → queued: freeze the files into dataset versions."""
        return self._carefully(job_id, self._validate)

    def train(self, job_id: str) -> bool:
        """queued → running, when it is this job's turn, then train."""
        return self._carefully(job_id, self._train)

    def publish(self, job_id: str) -> bool:
        """Store the adapter and the results, and register the new model."""
        return self._carefully(job_id, self._publish)

    def attach(self, job_id: str) -> bool:
        """Wait until an engine answers for the new model."""
        return self._carefully(job_id, self._attach)

    def settle(self, job_id: str) -> bool:
        """running → succeeded, with the bill in the same transaction."""
        return self._carefully(job_id, self._settle)

    def _validate(self, job: Job) -> bool:
        if job.status != "validating_files":
            return True
        training = self._freeze(job, job.training_file, "training_file")
        validation = self._freeze(job, job.validation_file, "validation_file") if job.validation_file else None
        progress = job.progress
        time_us = now_us()
        events = [spent(progress, "files", (time_us - job.created_us) / 1e6)]
        events += [Event(f"Files validated: {training.row_count} training rows"), Event("The job is queued")]
        with self._database.write() as tx:
            return store.change(
                tx, job, "queued", events, come_from=("validating_files",), progress=progress, queued_us=time_us,
                training_dataset=training.id, validation_dataset=validation.id if validation else None,
            )  # fmt: skip

    def _freeze(self, job: Job, file_id: str, param: str) -> datasets.DatasetVersion:
        try:
            return datasets.freeze(self._database, self._blobs, job.project_id, file_id)
        except ArgosyError as error:
            error.param = param
            raise

    def _train(self, job: Job) -> bool:
        if job.progress.finished is not None:
            return True
        self._line.wait(job.id, lambda: self._enter(job))
        job = self._load(job.id)
        if job.status != "running":
            return False
        spec = self._spec(job)
        return Training(self._database, job, self._folder(job), self.stopping, self._command).run(spec)

    def _enter(self, job: Job) -> bool:
        """Whether this job need not wait any longer: it runs (perhaps since before a restart), or was cancelled."""
        time_us = now_us()
        progress = msgspec.structs.replace(job.progress, seconds=dict(job.progress.seconds))
        waited_s = (time_us - (job.queued_us or job.created_us)) / 1e6
        events = [spent(progress, "queue", waited_s), Event("Training started")]
        with self._database.write() as tx:
            if store.take_turn(tx, job, events, progress=progress, started_us=time_us):
                return True
            present = store.get_job(tx, job.project_id, job.id)
        return present is None or present.status != "queued"

    def _spec(self, job: Job) -> TrainerSpec:
        with self._database.read() as tx:
            rows = [
                datasets.find_dataset_version(tx, job.project_id, version)
                for version in (job.training_dataset, job.validation_dataset)
                if version is not None
            ]
        paths = [str(self._blobs.path(version.digest)) for version in rows]
        return TrainerSpec(
            base_gguf=str(self._weights(job)),
            train_rows=paths[0],
            validation_rows=paths[1] if len(paths) > 1 else None,
            seed=job.seed,
            **job.hyperparameters,
        )

    def _weights(self, job: Job) -> Path:
        with self._database.read() as tx:
            weights = self._engines.weights(tx, job.model)
        if weights is None:
            raise not_deployed(job.model)
        return weights

    def _publish(self, job: Job) -> bool:
        if job.result_file is not None:
            return True
        return publish(self._database, self._blobs, job, self._folder(job), self._weights(job))

    def _attach(self, job: Job) -> bool:
        clock = time.monotonic()
        # While the engine loads the model there is time for this.
        keep_checkpoints(self._database, self._blobs, job, self._folder(job))
        with self._database.write() as tx:
            self._engines.demand(tx, job.model)
        while not self._answers(job):
            if self.stopping.wait(_ATTACH_POLL_S):
                raise Interrupted
            if time.monotonic() - clock > self._attach_s_max:
                raise Unavailable(
                    f"The model was trained, but no engine loaded it within {self._attach_s_max:.0f} s. "
                    "'argosy doctor' says how the engines are; the job's checkpoints are kept.",
                    code="attach_timed_out",
                )
        progress = job.progress
        with self._database.write() as tx:
            events = [spent(progress, "attach", time.monotonic() - clock)]
            return store.change(tx, job, "running", events, come_from=("running",), progress=progress)

    def _answers(self, job: Job) -> bool:
        """Whether the wait is over: the model answers, or the job was cancelled. Raises Internal if it never will."""
        with self._database.read() as tx:
            present = store.get_job(tx, job.project_id, job.id)
            refusal = self._engines.refusal(tx, job.model, job.fine_tuned_model)
            answers = self._engines.answers(tx, job.fine_tuned_model)
        if refusal is not None:
            raise Internal(f"The engine cannot load the trained adapter: {refusal}", code="adapter_refused")
        return answers or present is None or present.status != "running"

    def _settle(self, job: Job) -> bool:
        tokens = billed_tokens(job)
        time_us = now_us()
        total = round((time_us - job.created_us) / 1e6, 3)
        summary = {"seconds": job.progress.seconds, "total_seconds": total, "trained_tokens": tokens}
        events = [
            Event(f"New fine-tuned model created: {job.fine_tuned_model}"),
            Event(f"The job has completed in {total:.1f} s", data=summary),
        ]
        with self._database.write() as tx:
            done = store.change(
                tx, job, "succeeded", events, come_from=("running",), trained_tokens=tokens,
                estimated_finish=None, finished_us=time_us,
            )  # fmt: skip
            if done:
                charge(tx, job, tokens, time_us)
        return False  # it was the last stage

    def _carefully(self, job_id: str, stage: Callable[[Job], bool]) -> bool:
        """Run a stage unless the job has ended. What goes wrong with the job is written into it.

        What goes wrong with the database is waited out, as nothing could be written then.
        """
        with self._shift.at_work():
            while True:
                try:
                    if self._goes_on(job_id, stage):
                        return True
                    job = self._load(job_id)
                    clear(self._database, self._blobs, job, self._folder(job))
                    return False
                except Exception as error:
                    if not is_outage(error):
                        raise
                    _LOG.warning("the database does not answer, trying again: %s", error)
                if self.stopping.wait(_RETRY_S):
                    raise Interrupted

    def _goes_on(self, job_id: str, stage: Callable[[Job], bool]) -> bool:
        job = self._load(job_id)
        try:
            return not job.is_finished and stage(job)
        except Exception as error:
            if is_outage(error):
                raise
            fail(self._database, job, error)
            return False

    def _folder(self, job: Job) -> Path:
        return self._folders / job.id

    def _load(self, job_id: str) -> Job:
        with self._database.read() as tx:
            return store.job_at_work(tx, job_id)
