"""The worker's loop: start what is missing, keep engines as they should be, and say that it is alive."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from argosy.runtime import Database, Transaction, beat, is_outage
from argosy.runtime.shifts import Stage

if TYPE_CHECKING:
    from argosy.runtime.jobs import Jobs

_LOG = logging.getLogger(__name__)
_SWEEP_S = 0.1
_BEAT_S = 1.0
# How often a job that was started is looked at again, in case its workflow ended without the job having ended.
_AGAIN_S = 2.0

Chore = Callable[[threading.Event], None]
"""Something the worker does all the time, in a thread of its own, until the event is set: the reconciler's `run`."""


class Trade(Protocol):
    """A kind of durable job that the worker carries out: `Tuner`, and the batches' `Batcher`."""

    kind: str
    stopping: threading.Event
    """Set it, and every stage ends within about a second by raising Interrupted."""

    def stages(self) -> Sequence[Stage]:
        """What is done for one job, in order."""

    def to_do(self, tx: Transaction) -> list[str]:
        """Ids of the jobs that need a stage to run, oldest first."""

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether all stages have ended within the time."""


class Worker:
    """Composes the durable jobs, the sweep and the chores of one worker process."""

    def __init__(
        self, database: Database, jobs: "Jobs", tuner: Trade, chores: Mapping[str, Chore], *others: Trade
    ) -> None:
        self._database, self._jobs, self._trades, self._chores = database, jobs, (tuner, *others), chores
        self._looked: dict[str, float] = {}
        for trade in self._trades:
            jobs.register(trade.kind, trade.stages())

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, then return within three seconds; unfinished jobs go on at the next start."""
        self._jobs.launch()
        threads = [
            threading.Thread(target=_keep_going, args=(name, chore, stop), name=name, daemon=True)
            for name, chore in self._chores.items()
        ]
        for thread in threads:
            thread.start()
        try:
            self._loop(stop)
        finally:
            for trade in self._trades:
                trade.stopping.set()
            deadline = time.monotonic() + 2.5
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            for trade in self._trades:
                trade.wait_until_idle(max(0.0, deadline - time.monotonic()))
            self._jobs.stop()

    def sweep(self) -> None:
        """Start the workflow of every unfinished job that has none. Repeating it is harmless."""
        with self._database.read() as tx:
            unfinished = {job_id: trade.kind for trade in self._trades for job_id in trade.to_do(tx)}
        now = time.monotonic()
        self._looked = {job: at for job, at in self._looked.items() if job in unfinished}
        for job_id, kind in unfinished.items():
            if now - self._looked.get(job_id, -_AGAIN_S) >= _AGAIN_S:
                self._jobs.ensure(kind, job_id)
                self._looked[job_id] = now

    def _loop(self, stop: threading.Event) -> None:
        next_beat = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + _BEAT_S
                    with self._database.write() as tx:
                        beat(tx, "worker", os.getpid())
                self.sweep()
            except Exception as error:
                if not is_outage(error):
                    raise
                _LOG.warning("the database does not answer, trying again: %s", error)
            stop.wait(_SWEEP_S)


def _keep_going(name: str, chore: Chore, stop: threading.Event) -> None:
    """Run a chore again if it breaks: one bad deployment must not stop the tuning, nor the other way round."""
    while not stop.is_set():
        try:
            chore(stop)
        except Exception:
            _LOG.exception("%s broke off and is started again", name)
            stop.wait(1.0)
