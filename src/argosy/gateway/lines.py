"""Waiting requests of one class: first come, first served within a project, and the projects take turns."""

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """One that waits. The future is done when it has its place, or fails when it is sent away."""

    project_id: str
    future: "asyncio.Future[None]"
    firm: bool = False
    """Whether it must not be sent away."""


class Line:
    """A line for each project. The project that was served last is the last to be served again."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Waiter]] = {}
        """In the order of their turns."""
        self._length = 0
        self.loose = 0
        """Those that may be sent away."""

    def __len__(self) -> int:
        return self._length

    def of(self, project_id: str) -> int:
        """How many of a project wait."""
        return len(self._lines.get(project_id, ()))

    def before(self, project_id: str) -> int:
        """How many at most are served before one more of a project would be: its own, and as many turns of others."""
        mine = self.of(project_id)
        return mine + sum(min(len(line), mine + 1) for owner, line in self._lines.items() if owner != project_id)

    def add(self, waiter: Waiter) -> None:
        """To the end of its project's line."""
        self._lines.setdefault(waiter.project_id, deque()).append(waiter)
        self._count(waiter, 1)

    def take(self) -> Waiter | None:
        """Who is next; the next turn is another project's."""
        while self._lines:
            project_id, line = next(iter(self._lines.items()))
            waiter = line.popleft()
            del self._lines[project_id]
            if line:
                self._lines[project_id] = line
            self._count(waiter, -1)
            if not waiter.future.done():
                return waiter
        return None

    def remove(self, waiter: Waiter) -> None:
        """Take one out, wherever it stands; harmless for one that is not in line."""
        line = self._lines.get(waiter.project_id)
        if line and waiter in line:
            line.remove(waiter)
            self._count(waiter, -1)
            if not line:
                del self._lines[waiter.project_id]

    def evict(self, over: int) -> Waiter | None:
        """Take out the latest of the project with the longest line; None if that has not over so many waiting."""
        line = max(self._lines.values(), key=len, default=deque[Waiter]())
        latest = next((waiter for waiter in reversed(line) if not waiter.firm), None)
        if len(line) <= over or latest is None:
            return None
        self.remove(latest)
        return latest

    def _count(self, waiter: Waiter, step: int) -> None:
        self._length += step
        if not waiter.firm:
            self.loose += step
