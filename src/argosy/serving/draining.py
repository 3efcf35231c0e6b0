"""An engine that gets no new requests finishes those that it has."""

import threading
import time

from argosy.serving.replicas import Replica

_GRACE_S = 2.0  # until every gateway has certainly noticed that requests go elsewhere now
_DRAIN_S_MAX = 60.0
_ASK_EVERY_S = 0.5


class Drain:
    """Watches one replica; `finished` is True when it may be stopped. Costs one small request every half second."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._began = time.monotonic()
        self._asked_at = self._began + _GRACE_S - _ASK_EVERY_S
        self._asking: threading.Thread | None = None
        self._idle = False

    def finished(self) -> bool:
        """Whether nothing is in flight any more, the time is up, or it died. Never blocks."""
        elapsed = time.monotonic() - self._began
        if self._idle or self.replica.dead or elapsed > _DRAIN_S_MAX:
            return True
        busy = self._asking is not None and self._asking.is_alive()
        if not busy and time.monotonic() - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = time.monotonic()
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()
        return False

    def _ask(self) -> None:
        try:
            self._idle = self.replica.in_flight() == 0
        except OSError:
            self._idle = False  # busy or broken: the time limit and `dead` decide
