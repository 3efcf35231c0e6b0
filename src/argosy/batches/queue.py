"""The lines that are still to be asked, in the file's order, but for those of models that are to be left alone."""

from collections import deque
from collections.abc import Iterator

from argosy.batches.lines import Line

ASIDE_BYTES_MAX = 32 << 20
"""Lines that may be kept in memory while their models are left alone; with more, all wait."""


class Queue:
    """Gives one line after the other. A model that is busy or away holds up its own lines and no others."""

    def __init__(self, lines: Iterator[Line], aside_bytes_max: int = ASIDE_BYTES_MAX) -> None:
        self._lines, self._aside_bytes_max = lines, aside_bytes_max
        self._aside: dict[str, deque[Line]] = {}
        self._aside_bytes = 0
        self._until: dict[str, float] = {}
        self._ended = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no line left, now or later, but for those that were taken and are not put back yet."""
        return self._ended and not any(self._aside.values())

    def take(self, now: float) -> Line | None:
        """The next line whose model may be asked at ``now``; None if there is none just now."""
        for model, waiting in self._aside.items():
            if waiting and self._may(model, now):
                self._aside_bytes -= len(waiting[0].body)
                return waiting.popleft()
        while self._aside_bytes <= self._aside_bytes_max and not self._ended:
            line = next(self._lines, None)
            if line is None:
                self._ended = True
            elif self._may(line.model, now):
                return line
            else:
                self._put_aside(line)
        return None

    def put_back(self, line: Line, until: float) -> None:
        """The line was refused: neither it nor its model's others are to be asked before ``until``."""
        self._until[line.model] = max(until, self._until.get(line.model, until))
        self._put_aside(line)

    def _may(self, model: str, now: float) -> bool:
        return self._until.get(model, now) <= now

    def _put_aside(self, line: Line) -> None:
        self._aside.setdefault(line.model, deque()).append(line)
        self._aside_bytes += len(line.body)
