"""How many requests a target is given at once, and who is next: a short queue in which projects take turns.

A request that finds no room waits, but never for long: one that would wait for longer than it may is refused at once,
with the time after which it would be let in, from how long requests have lately taken here. People come before batches.
Counts are of this process: several API processes give a target so many each.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from argosy.core import RateLimited
from argosy.gateway.lines import Line, Waiter

_MEMORY = 0.1
"""Weight of the latest request in the mean of how long they take."""
_TARGETS_KEPT = 1000


@dataclass(frozen=True)
class Patience:
    """The bounds of a queue."""

    people_s: float = 10.0
    """For so long a request of a person may wait."""
    batch_s: float = 60.0
    length: int = 256
    """So many requests may wait for one target."""


class Admission:
    """The queues of all targets in one API process."""

    def __init__(self, patience: Patience | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience or Patience(), clock
        self._targets: dict[str, _Target] = {}
        self.refusals: Counter[str] = Counter()
        """Requests that were sent away: ``queue_full``, ``queue_long`` or ``queue_timeout``."""

    def slot(self, target: str, cap: int, project_id: str, *, batch: bool = False, firm: bool = False) -> "Slot":
        """A place among the ``cap`` requests that the target works on, for an ``async with``; 0 is without limit.

        Entering waits for the turn, and raises RateLimited if that would take too long. Leaving while it waits, by
        being cancelled, leaves the queue at once. A ``firm`` one waits as long as it must and is never sent away: it is
        part of a request that was let in.
        """
        found = self._targets.get(target)
        if found is None:
            self._drop_idle()
            found = self._targets[target] = _Target(self._patience, self._clock, self.refusals)
        found.cap = cap or math.inf
        return Slot(found, project_id, batch, firm)

    def in_flight(self, target: str) -> int:
        """Requests that the target works on for this process."""
        found = self._targets.get(target)
        return found.in_flight if found else 0

    def ahead(self, target: str, cap: int) -> int:
        """How many, at the least, would have to end before one more got its place among ``cap``; 0 if there is one."""
        found = self._targets.get(target)
        return found.ahead(cap or math.inf) if found else 0

    def waiting(self) -> dict[str, int]:
        """How many wait, by class: ``interactive`` and ``batch``."""
        targets = self._targets.values()
        return {"interactive": sum(len(t.people) for t in targets), "batch": sum(len(t.batch) for t in targets)}

    def _drop_idle(self) -> None:
        if len(self._targets) >= _TARGETS_KEPT:
            self._targets = {name: target for name, target in self._targets.items() if target.in_flight}


class _Target:
    """One target's places, and its two lines."""

    def __init__(self, patience: Patience, clock: Callable[[], float], refusals: Counter[str]) -> None:
        self._patience, self.clock, self._refusals = patience, clock, refusals
        self.cap: float = math.inf
        self.in_flight = 0
        self.people, self.batch = Line(), Line()
        self._took_s = 0.0
        """How long requests lately took, 0 before the first."""

    @property
    def has_room(self) -> bool:
        """Whether one may come in without waiting."""
        return self.in_flight < self.cap and not self.people and not self.batch

    async def enter(self, project_id: str, batch: bool, firm: bool) -> None:
        """Wait for a place. Raises RateLimited."""
        waiter = Waiter(project_id, asyncio.get_running_loop().create_future(), firm)
        line = self.batch if batch else self.people
        may_wait_s = self._patience.batch_s if batch else self._patience.people_s
        if not firm:
            self._check(project_id, batch, may_wait_s)
        line.add(waiter)
        self._fill()
        try:
            async with asyncio.timeout(None if firm else may_wait_s):
                await waiter.future
        except TimeoutError:
            self._withdraw(line, waiter)
            raise self._refusal("queue_timeout", self._expected_s(project_id, batch)) from None
        except BaseException:
            self._withdraw(line, waiter)
            raise

    def ahead(self, cap: float) -> int:
        """As `Admission.ahead`."""
        waiting = len(self.people) + len(self.batch)
        return waiting + 1 if waiting or self.in_flight >= cap else 0

    def leave(self, took_s: float | None) -> None:
        """Give the place to who is next. ``took_s`` is None for a request that failed: it says nothing of the rest."""
        if took_s is not None:
            self._took_s += (took_s - self._took_s) * (_MEMORY if self._took_s else 1)
        self.in_flight -= 1
        if self.people or self.batch:
            self._fill()

    def _fill(self) -> None:
        while self.in_flight < self.cap and (waiter := self.people.take() or self.batch.take()):
            self.in_flight += 1
            waiter.future.set_result(None)

    def _withdraw(self, line: Line, waiter: Waiter) -> None:
        """Leave the line; a place that was given a moment ago goes to the next."""
        line.remove(waiter)
        if waiter.future.done() and not waiter.future.cancelled() and not waiter.future.exception():
            self.leave(None)

    def _check(self, project_id: str, batch: bool, may_wait_s: float) -> None:
        """Make sure that one more may wait. Raises RateLimited."""
        expected_s = self._expected_s(project_id, batch)
        if expected_s > may_wait_s:
            raise self._refusal("queue_long", expected_s - may_wait_s)
        if self.people.loose + self.batch.loose < self._patience.length:
            return
        # Room is made by a batch, else by whoever has the most waiting: a flood cannot keep others out.
        if batch:
            evicted = self.batch.evict(self.batch.of(project_id) + 1)
        else:
            evicted = self.batch.evict(0) or self.people.evict(self.people.of(project_id) + 1)
        if evicted is None:
            raise self._refusal("queue_full", expected_s)
        evicted.future.set_exception(self._refusal("queue_full", self._expected_s(evicted.project_id, batch)))

    def _expected_s(self, project_id: str, batch: bool) -> float:
        """For how long one more request would wait."""
        before = len(self.people) + self.batch.before(project_id) if batch else self.people.before(project_id)
        return (before + 1) * self._took_s / self.cap

    def _refusal(self, reason: str, wait_s: float) -> RateLimited:
        self._refusals[reason] += 1
        retry_after_s = max(1, math.ceil(wait_s))
        return RateLimited(
            f"Too many requests wait for this model already. Try again in {retry_after_s} s.",
            code=reason,
            retry_after_s=retry_after_s,
        )


class Slot:
    """One place, or the wait for it."""

    __slots__ = ("_batch", "_firm", "_project_id", "_since", "_target")

    def __init__(self, target: _Target, project_id: str, batch: bool, firm: bool) -> None:
        self._target, self._project_id, self._batch, self._firm = target, project_id, batch, firm
        self._since = 0.0

    async def __aenter__(self) -> None:
        target = self._target
        if target.has_room:
            target.in_flight += 1
        else:
            await target.enter(self._project_id, self._batch, self._firm)
        self._since = target.clock()

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._target.leave(self._target.clock() - self._since if kind is None else None)
