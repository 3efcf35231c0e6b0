"""Whether an engine still answers, and when it last had work: a live process may hang, or sit there unused."""

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
        self._answered_at = self._asked_at = self.used_at = time.monotonic()
        """`used_at`: when it was last seen to have work, or to have had some since it was asked before."""
        self._work: tuple[int, ...] | None = None
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

    def idle_s(self) -> float:
        """Seconds for which it has had no work, as far as is known: at most a few too few."""
        return time.monotonic() - self.used_at

    def _ask(self) -> None:
        try:
            in_flight, done = self._replica.work(timeout_s=_SILENT_S_MAX)
        except OSError:
            return
        self._answered_at = time.monotonic()
        if in_flight or (self._work is not None and done != self._work):
            self.used_at = self._answered_at
        self._work = done
