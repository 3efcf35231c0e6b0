"""The worker's part: every hour the books are compared, every minute the engines are asked what they have counted."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from argosy.billing.reconciliation.engines import EngineCount, note_engine_counts
from argosy.billing.reconciliation.hours import HOUR, reconcile
from argosy.core import now
from argosy.runtime import Database

_EVERY_S = 60.0
_BACK_S = 3 * HOUR
"""So far back is looked each time: what was kept in a journal through an outage is posted late."""
_log = logging.getLogger(__name__)


class Reconciliation:
    """A chore of the worker."""

    def __init__(self, database: Database, counts: Callable[[], Sequence[EngineCount]]) -> None:
        """``counts`` asks the engines that run now."""
        self._database, self._counts = database, counts

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        compared_at = float("-inf")
        while not stop.wait(_EVERY_S):
            try:
                self.sample()
                if time.monotonic() - compared_at >= HOUR:
                    self.compare()
                    compared_at = time.monotonic()
            except Exception as error:  # the database may come back
                _log.warning("The books could not be compared: %s", error)

    def sample(self) -> None:
        """Keep what the engines have counted so far."""
        if counts := self._counts():
            with self._database.write() as tx:
                note_engine_counts(tx, counts)

    def compare(self) -> int:
        """Compare the last hours; returns the difference, which should be zero."""
        found = reconcile(self._database, now() - _BACK_S)
        for one in found:
            if one.difference:
                _log.error("The books differ by %d micro-units: %s", one.difference, one)
        return sum(one.difference for one in found)
