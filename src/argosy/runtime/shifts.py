"""Stages of durable jobs at work in a process, and how they are told to end. Without the engine that runs them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Stage = Callable[[str], bool]
"""Given a job's id; True means go on with the next stage."""


class Shift:
    """Who is at work in a process: stages that must have ended before it may."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        """Set it, and every stage ends within about a second by raising Interrupted."""
        self._busy = 0
        self._idle = threading.Condition()

    @contextmanager
    def at_work(self) -> Iterator[int]:
        """Within the block one stage more is at work; gives how many are now."""
        with self._idle:
            self._busy += 1
        try:
            yield self._busy
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether all stages have ended within the time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, timeout_s)


class Interrupted(BaseException):
    """Raised by a stage when its worker is being stopped: the job stays as it is, and goes on at the next launch.

    Not an Exception on purpose: DBOS would record that as the outcome of the job.
    """
