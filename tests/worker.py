"""A worker in a thread of the test, and waiting for what it does."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from argosy.tuning import Worker

T = TypeVar("T")


class WorkerThread:
    """Runs one worker after another; `stop` is harmless where none runs."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, worker: Worker) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=worker.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> float:
        """Seconds that it took."""
        clock = time.monotonic()
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        return time.monotonic() - clock


def wait_until(look: Callable[[], T], good: Callable[[T], bool] = bool, timeout_s: float = 60) -> T:
    """What ``look`` gives once it is ``good``. Raises AssertionError if that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.02)
    return seen
