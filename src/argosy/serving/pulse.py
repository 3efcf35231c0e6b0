"""Whether an engine still answers: a process may be alive and yet hang."""

import threading
import time

from argosy.serving.replicas import Replica

_ASK_EVERY_S = 3.0
_SILENT_S_MAX = 45.0
"""Far longer than any step of a computation takes, even on a machine with much else to do."""


class Pulse:
    """Asks one replica now and then. Never blocks."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._answered_at = self._asked_at = time.monotonic()
        self._asking: threading.Thread | None = None

    def lost(self) -> bool:
        """Whether it has been silent for too long."""
        now = time.monotonic()
        busy = self._asking is not None and self._asking.is_alive()
        if not busy and now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()
        return now - self._answered_at > _SILENT_S_MAX

    def _ask(self) -> None:
        try:
            self._replica.ask("/health", timeout_s=_SILENT_S_MAX)
            self._answered_at = time.monotonic()
        except OSError:
            return
