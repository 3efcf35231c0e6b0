"""Captured requests that were kept long enough are deleted, whether or not their project still captures."""

import threading

import structlog

from argosy.gateway.capture.store import forget_expired
from argosy.runtime import Database

_log = structlog.get_logger()
_EVERY_S = 60.0
_AT_ONCE = 500


class Sweeper:
    """A chore of the worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, stop: threading.Event) -> None:
        """Sweep every minute until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.sweep()
            except Exception as error:  # the database may come back
                _log.warning("captures.not_swept", error=type(error).__name__)
            stop.wait(_EVERY_S)

    def sweep(self) -> int:
        """Delete all that is due, never so much at once that other writers have to wait; says how many."""
        gone = 0
        while True:
            with self._database.write() as tx:
                found = forget_expired(tx, _AT_ONCE)
            gone += found
            if found < _AT_ONCE:
                return gone
