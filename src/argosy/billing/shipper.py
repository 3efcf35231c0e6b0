"""From the journal to the database: a thread that has outcomes posted within about a tenth of a second.

Invariants: outcomes leave the journal only after the transaction that posts them is committed, in the order they were
given; while the database is down they stay, and the thread tries again, ever more slowly, until it is back.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from argosy.billing.journal import Journal
from argosy.billing.posting import BATCH
from argosy.billing.usage import UsageEvent

INTERVAL_S = 0.1
BEHIND = 2_000
"""Outcomes: about a second of all that one core can do."""
_BACK_OFF_S_MAX = 5.0
Post = Callable[[Sequence[UsageEvent]], object]
_log = logging.getLogger(__name__)


class Shipper:
    """Has what one journal collects posted. `start` it once; `stop` posts the rest."""

    def __init__(self, journal: Journal, post: Post, here: Post | None = None) -> None:
        """``post`` does it, as `post_events` and `Poster.post` do, or raises: then it is called again later. ``here``
        does it while more than `BEHIND` wait: another process, which comes after all requests, may get no turn.
        """
        self._journal, self._post, self._here = journal, post, here or post
        self._shipped = 0
        self._progressed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def flush(self, timeout_s: float = 3.0) -> bool:
        """Wait until all outcomes given so far are in the database; says whether they are. Blocks its thread."""
        target, deadline = self._journal.outcome_count, monotonic() + timeout_s
        self._wake.set()
        with self._progressed:
            while self._shipped < target:
                if not self._progressed.wait(deadline - monotonic()) and monotonic() >= deadline:
                    return False
        return True

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Post what is left and end; says whether all was posted. What was not is still in the journal."""
        done = self.flush(timeout_s)
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_s)
        return done

    def _run(self) -> None:
        pause_s = INTERVAL_S
        while not self._stopping:
            self._wake.wait(pause_s)
            self._wake.clear()
            try:
                while self._ship() >= BATCH:  # what came meanwhile is a batch of its own, and a small one costs as much
                    pass
                pause_s = INTERVAL_S
            except Exception as error:  # whatever it is, the events are safe in the journal and are tried again
                pause_s = min(pause_s * 2, _BACK_OFF_S_MAX)
                _log.error("Usage waits in the journal (%d events): %s", self._journal.unshipped, error)

    def _ship(self) -> int:
        """Post one batch; returns its size."""
        events = self._journal.take(BATCH)
        if events:
            (self._post if self._journal.unshipped <= BEHIND else self._here)(events)
            self._journal.shipped(len(events))
            with self._progressed:
                self._shipped += len(events)
                self._progressed.notify_all()
        return len(events)
