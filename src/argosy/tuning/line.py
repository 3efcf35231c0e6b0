"""The line of jobs that wait to be trained, oldest first."""

import bisect
import threading
from collections.abc import Callable

from argosy.runtime.shifts import Interrupted

_FIRST_S, _OTHERS_S = 0.1, 1.0


class Line:
    """Threads stand here until it is their turn. A job that waits costs nothing: only the first in line asks."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._condition = threading.Condition()
        self._keys: list[str] = []

    def wait(self, key: str, enter: Callable[[], bool]) -> None:
        """Return once this key is the smallest here and ``enter`` has said True.

        Calls of ``enter`` never overlap. Raises Interrupted when the worker is being stopped.
        """
        with self._condition:
            bisect.insort(self._keys, key)
            try:
                while not (self._keys[0] == key and enter()):
                    if self._stopping.is_set():
                        raise Interrupted
                    self._condition.wait(_FIRST_S if self._keys[0] == key else _OTHERS_S)
            finally:
                self._keys.remove(key)
                self._condition.notify_all()
