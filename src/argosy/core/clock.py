"""Time, always UTC. Unix seconds on the wire and in rows, microseconds where the order within a second matters."""

import threading
import time


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


def now_us() -> int:
    """Unix time in microseconds."""
    return time.time_ns() // 1_000


class SteadyClock:
    """Unix seconds that never step back, whatever the machine's clock does. For any thread."""

    def __init__(self) -> None:
        self._lock, self._latest = threading.Lock(), 0

    def now(self) -> int:
        """The latest second that it has seen."""
        with self._lock:
            self._latest = max(self._latest, now())
            return self._latest
