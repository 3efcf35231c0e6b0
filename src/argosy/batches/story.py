"""A batch from its file to its answers: the stages that the worker runs, each harmless to repeat.

Invariants: a status only ever changes by a guarded UPDATE, so what was cancelled stays cancelled; a line that has its
answer never runs again; a batch that cannot go on for a fault of ours ends as `failed`, with the answers there are.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import uvloop

from argosy.batches import store
from argosy.batches.ending import clear, fail, finish, is_full_disk
from argosy.batches.lines import check, lines_to_do
from argosy.batches.results import Results
from argosy.batches.running import Run
from argosy.batches.store import Batch, Counts
from argosy.core import Settings, now
from argosy.runtime import Blobs, Database, Transaction, Vault, is_outage
from argosy.runtime.shifts import Interrupted, Shift, Stage

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0
_LOCK_S = 0.2


class Batcher:
    """Carries out the batches of one worker. Its `stages` are what `argosy.runtime.jobs` runs."""

    kind = "batch"

    def __init__(self, settings: Settings, database: Database, blobs: Blobs, vault: Vault) -> None:
        self._settings, self._database, self._blobs, self._vault = settings, database, blobs, vault
        self._folders = settings.home / "batches"
        self._shift = Shift()
        self._running: set[str] = set()
        self._checking = threading.Lock()
        self.stopping = self._shift.stopping
        self.wait_until_idle = self._shift.wait_until_idle

    def stages(self) -> list[Stage]:
        """The story, in order."""
        return [self.check_lines, self.run_lines, self.end_batch]

    def to_do(self, tx: Transaction) -> list[str]:
        """Ids of the batches that need a stage to run."""
        return store.to_do(tx)

    def check_lines(self, batch_id: str) -> bool:
        """validating → in_progress, or failed with all that is wrong with the file."""
        return self._carefully(batch_id, self._check)

    def run_lines(self, batch_id: str) -> bool:
        """in_progress → finalizing, when it is this batch's turn, and all lines are answered or time is up."""
        return self._carefully(batch_id, self._run)

    def end_batch(self, batch_id: str) -> bool:
        """finalizing or cancelling → the end, with the answers as files."""
        return self._carefully(batch_id, self._end)

    def _check(self, batch: Batch) -> bool:
        if batch.status != "validating":
            return True
        with self._alone():
            found = check(self._blobs.path(batch.input_digest), batch.endpoint)
        with self._database.write() as tx:
            if found.count:
                store.change(tx, batch, "failed", come_from=("validating",), errors=found.shown, total=0)
                return False
            store.change(tx, batch, "in_progress", come_from=("validating",), total=found.total)
        return True  # also if it was cancelled meanwhile: it has to be ended

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One file is checked at a time: many at once would keep the worker's other threads from running."""
        while not self._checking.acquire(timeout=_LOCK_S):
            if self.stopping.is_set():
                raise Interrupted
        try:
            yield
        finally:
            self._checking.release()

    def _run(self, batch: Batch) -> bool:
        if batch.status != "in_progress":
            return True
        if batch.expires_at > now():
            if not self._has_turn(batch):
                return False  # the sweep asks for it again when its turn has come
            with closing(self._results(batch)) as results, self._counted(batch.id):
                self._put_lines(batch, results)
        with self._database.write() as tx:
            store.change(tx, batch, "finalizing", come_from=("in_progress",))
        return True

    def _put_lines(self, batch: Batch, results: Results) -> None:
        lines = lines_to_do(self._blobs.path(batch.input_digest), frozenset(results.done))
        look = partial(self._look, batch)
        run = Run(batch, lines, results, look=look, width=self._width, stopping=self.stopping)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.go(self._settings.api_address, self._vault, self._settings.batch_concurrency))
        results.sync()

    def _look(self, batch: Batch, counts: Counts) -> bool:
        """Show how far the batch is, and say whether to halt. While the database is down it goes on."""
        try:
            with self._database.write() as tx:
                store.note_progress(tx, batch, counts)
                present = store.get_batch(tx, batch.project_id, batch.id)
        except Exception as error:
            if not is_outage(error):
                raise
            return False
        return present is None or present.status != "in_progress" or present.expires_at <= now()

    def _end(self, batch: Batch) -> bool:
        with closing(self._results(batch)) as results:
            finish(self._database, self._blobs, batch, results)
        clear(self._folder(batch))
        return False  # it was the last stage

    def _has_turn(self, batch: Batch) -> bool:
        with self._database.read() as tx:
            return store.has_turn(tx, batch)

    @contextmanager
    def _counted(self, batch_id: str) -> Iterator[None]:
        self._running.add(batch_id)
        try:
            yield
        finally:
            self._running.discard(batch_id)

    def _width(self) -> int:
        """Lines that each running batch may have in flight: its share."""
        return max(1, self._settings.batch_concurrency // max(1, len(self._running)))

    def _carefully(self, batch_id: str, stage: Callable[[Batch], bool]) -> bool:
        """Run a stage unless the batch has ended. A database or disk that is out of reach is waited out."""
        with self._shift.at_work():
            while True:
                try:
                    return self._goes_on(batch_id, stage)
                except Exception as error:
                    if not (is_outage(error) or is_full_disk(error)):
                        raise
                    _LOG.warning("the batch %s waits, trying again: %s", batch_id, error)
                if self.stopping.wait(_RETRY_S):
                    raise Interrupted

    def _goes_on(self, batch_id: str, stage: Callable[[Batch], bool]) -> bool:
        with self._database.read() as tx:
            batch = store.batch_at_work(tx, batch_id)
        if batch.is_finished:
            clear(self._folder(batch))
            return False
        try:
            return stage(batch)
        except Exception as error:
            if is_outage(error) or is_full_disk(error):
                raise
            self._fail(batch, error)
            return False

    def _fail(self, batch: Batch, fault: Exception) -> None:
        try:
            with closing(self._results(batch)) as results:
                fail(self._database, self._blobs, batch, results, fault)
        except Exception as error:
            if is_outage(error) or is_full_disk(error):
                raise
            fail(self._database, self._blobs, batch, None, fault)  # the folder stays, for people to look at

    def _results(self, batch: Batch) -> Results:
        return Results(self._folder(batch), batch.id)

    def _folder(self, batch: Batch) -> Path:
        return self._folders / batch.id
