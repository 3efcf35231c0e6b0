"""A thread that keeps what is held in memory fresh, so that no request ever waits for the database."""

import threading
from collections.abc import Callable, Sequence

import structlog

_log = structlog.get_logger()
INTERVAL_S = 0.25


class Refresher:
    """Calls a few cheap ``refresh`` functions four times a second. While the database is down, what was read holds."""

    def __init__(self, refreshes: Sequence[Callable[[], object]]) -> None:
        self._refreshes = refreshes
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    def start(self) -> None:
        """Refresh once, so that the first request finds everything, then go on in a thread. Raises if that fails."""
        self.refresh()
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self) -> None:
        """Refresh now, in the caller's thread."""
        for refresh in self._refreshes:
            refresh()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            try:
                self.refresh()
            except Exception as error:  # the database may come back; until then the last configuration holds
                if not self._failing:
                    _log.warning("configuration.stale", error=type(error).__name__)
                self._failing = True
            else:
                self._failing = False
