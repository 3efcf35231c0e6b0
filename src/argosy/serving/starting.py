"""An engine on its way: loading, then answering a first question that shows it works."""

import threading
import time

from argosy.serving.replicas import Replica

_START_S_MAX = 120.0
_LOOK_S = 0.15  # mostly the canary is back by then, and the switch need not wait for the next tick


class Start:
    """Watches one new replica. Never blocks for longer than a moment."""

    def __init__(self, replica: Replica, suspects: list[str]) -> None:
        self.replica = replica
        self.suspects = suspects
        """Adapters that no engine of ours has loaded yet: if it fails, they may be why."""
        self.ready = False
        """Whether it has answered, and may take requests."""
        self._canary: threading.Thread | None = None
        self._canary_error = ""

    def look(self) -> str | None:
        """Why it cannot become ready, None while it may; asks the first question when its port is open."""
        late = time.monotonic() - self.replica.started > _START_S_MAX
        if self._canary_error:
            return self._canary_error
        if self.replica.dead:
            return self.replica.failure
        if late:
            return "The engine did not become ready in time."
        if self._canary is None and self.replica.announced():
            self._canary = threading.Thread(target=self._ask_canary, daemon=True)
            self._canary.start()
            self._canary.join(_LOOK_S)
        return None

    def _ask_canary(self) -> None:
        try:
            self.replica.canary()
            self.ready = True
        except (OSError, ValueError) as error:
            self._canary_error = f"The engine did not pass its first test: {error}"
