"""How well each endpoint does: latency, load, and a circuit breaker. In memory, of this process's own experience.

Invariants: an endpoint whose circuit is open gets nothing but, from time to time, one request that tries it; every
request that was counted in is counted out, whichever way it ends.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import sample
from typing import TypeVar

T = TypeVar("T")

FAILURES_IN_A_ROW = 3
"""So many open the circuit."""
_WINDOW = 20
_FAILURES_OF_WINDOW = 5
"""So many of the last `_WINDOW` do too, for an endpoint that now and then works."""
_OPEN_S, _OPEN_S_MAX = 1.0, 30.0
"""How long it stays open at first; twice as long each time that it fails again."""
_PROBATION = 10
"""Successes after which an endpoint that was out is trusted as before; until then one failure is enough."""
RETRY_AFTER_S_MAX = 60.0
"""What an upstream says about when to come back is believed up to here."""
_ALPHA = 0.2
_KEPT = 1024


@dataclass(slots=True)
class Health:
    """One endpoint."""

    in_flight: int = 0
    latency_s: float = 0.0
    """Until its first byte, as a moving average; 0 while unknown, so that a new one is tried."""
    open_until: float = 0.0
    """By the monotonic clock; 0 is closed."""
    held_until: float = 0.0
    """What it said itself about when to come back."""
    opened: int = 0
    """How often in a row it was opened."""
    repeats: bool | None = None
    """Whether it begins with the answer so far when it is to carry one on; None while unknown."""
    _row: int = 0
    _past: int = 0
    """The last `_WINDOW` outcomes as bits, 1 a failure."""
    _trying: bool = False
    _probation: int = 0
    """Successes that are still wanted."""

    def available(self, at: float) -> bool:
        """Whether it may get a request: its circuit is closed, or it is time to try whether it could be."""
        return not self.open_until or (at >= self.open_until and not self._trying)

    @property
    def score(self) -> float:
        """Less is better: how long a request more would take, if they take turns."""
        return self.latency_s * (self.in_flight + 1)

    def begin(self) -> bool:
        """A request goes to it. Says whether it is the one that tries if the circuit may be closed: its ``trial``.

        What others tell that went out before the circuit opened comes too late to change it.
        """
        self.in_flight += 1
        self._trying = trial = self.open_until > 0
        return trial

    def end(self, trial: bool) -> None:
        """That request is over, however it ended."""
        self.in_flight -= 1
        if trial:
            self._trying = False

    def succeeded(self, trial: bool, first_byte_s: float) -> None:
        """It answered."""
        if self.open_until and not trial:
            return
        self.latency_s += (first_byte_s - self.latency_s) * (_ALPHA if self.latency_s else 1.0)
        self._row, self.open_until = 0, 0.0
        self._past = self._past << 1 & (1 << _WINDOW) - 1
        if self._probation:
            self._probation -= 1
            if not self._probation:
                self.opened = self._past = 0

    def failed(self, trial: bool, at: float, retry_after_s: float | None = None) -> None:
        """It did not. ``retry_after_s``: what it said about when to come back."""
        if retry_after_s:
            self.held_until = max(self.held_until, at + min(retry_after_s, RETRY_AFTER_S_MAX))
        if self.open_until and not trial:
            self.open_until = max(self.open_until, self.held_until)
            return
        self._row += 1
        self._past = (self._past << 1 | 1) & (1 << _WINDOW) - 1
        bad = self._row >= FAILURES_IN_A_ROW or self._past.bit_count() >= _FAILURES_OF_WINDOW
        if bad or self._probation or retry_after_s:
            wait_s = min(_OPEN_S_MAX, _OPEN_S * 2**self.opened)
            self.opened, self._probation = self.opened + 1, _PROBATION
            self.open_until = max(at + wait_s, self.held_until)


@dataclass(slots=True)
class HealthTable:
    """All endpoints, by name."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[str, Health] = field(default_factory=dict)

    def __getitem__(self, endpoint: str) -> Health:
        found = self._known.get(endpoint)
        if found is None:
            if len(self._known) >= _KEPT:  # engines come and go with their ports
                self._known = {name: each for name, each in self._known.items() if each.in_flight}
            found = self._known[endpoint] = Health()
        return found

    def find(self, endpoint: str) -> Health | None:
        """What is known of an endpoint, without beginning to know of it."""
        return self._known.get(endpoint)

    def best(
        self, candidates: Sequence[T], endpoint: Callable[[T], str], queue: Callable[[T], int] = lambda _: 0
    ) -> T | None:
        """One that is available: the better of two drawn at random (Mitzenmacher 2001) from those with room, or from
        all if none has any; None if none is available. ``queue`` says how many would be served before one more; 0 is
        room.
        """
        at = self.clock()
        if len(candidates) == 1:
            return candidates[0] if self[endpoint(candidates[0])].available(at) else None
        able = [one for one in candidates if self[endpoint(one)].available(at)]
        if len(able) < 2:
            return able[0] if able else None
        roomy = [one for one in able if not queue(one)]
        if len(roomy) == 1:
            return roomy[0]
        drawn = sample(roomy or able, 2)
        return min(drawn, key=lambda one: (queue(one), self[endpoint(one)].score))

    def least_bad(self, candidates: Sequence[T], endpoint: Callable[[T], str]) -> T | None:
        """Where the circuits of all are open, the one that was opened for least: several at once say more of a bad
        moment than of each. Not those that asked to be left alone.
        """
        at = self.clock()
        able = [one for one in candidates if at >= self[endpoint(one)].held_until]
        return min(able, key=lambda one: self[endpoint(one)].opened) if able else None

    def open(self) -> dict[str, float]:
        """Endpoints whose circuit is open now, with the seconds until they are tried again."""
        at = self.clock()
        return {name: max(0.0, each.open_until - at) for name, each in self._known.items() if each.open_until}


class RetryBudget:
    """How many extra attempts there may be: a tenth of the requests and one a second, with some saved for a bad moment.

    The one a second is for a platform with little traffic, whose every request may be one that meets a bad target.
    """

    SHARE, PER_S, SAVED = 0.1, 1.0, 50.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._at, self._left = clock, clock(), self.SAVED
        self.spent = 0
        """Extra attempts so far."""
        self.refused = 0
        """Extra attempts that there was no budget for."""

    def request(self) -> None:
        """A request came in."""
        self._left = min(self.SAVED, self._left + self.SHARE)

    def spend(self) -> bool:
        """Take one extra attempt; False if none is left."""
        at = self._clock()
        self._left = min(self.SAVED, self._left + (at - self._at) * self.PER_S)
        self._at = at
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        self.spent += 1
        return True
