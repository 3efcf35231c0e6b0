"""How much of a limit is taken: a sliding window of one minute that processes draw leases from.

A process does not ask for each request. It takes a *lease* of some units, written down here with the second it was
given in, and spends it within `LEASE_S` of asking for it. So a unit of second ``s`` is spent before ``s + 1 +
LEASE_S``, and it counts until `HELD_S` after ``s`` began: by then all 60 seconds that it could lie in are over.

The bound. In no 60 seconds are more units spent than the limit allows, however many processes there are: whatever was
spent in them belongs to leases that were counted together when the last of them was given. The error is on the other
side alone: a unit that was spent comes back after 61 to 62 seconds rather than 60, so that a caller who always asks
gets at least 60/62 of what the limit says; and what a killed process had not spent comes back with its lease, then too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW_S = 60
LEASE_S = 1
"""For so long after it was asked for, a lease may be spent."""
HELD_S = WINDOW_S + LEASE_S + 1
"""For so many seconds after the second that it was given in, a lease counts."""
SECOND_US = 1_000_000
_SHARE = 8
"""At most one in so many of the free units is leased beyond what is needed now: near the end, leases are exact."""


@dataclass(slots=True)
class Window:
    """The units of one limit that were given out of late."""

    allowed: int
    """Units in 60 seconds."""
    given: dict[int, int] = field(default_factory=dict)
    """Units by the second (Unix time) that they were given in, the oldest first."""
    taken: int = field(init=False)
    """All of them together."""

    def __post_init__(self) -> None:
        self.taken = sum(self.given.values())

    def forget(self, now_us: int) -> None:
        """Drop what counts no longer."""
        given = self.given
        while given and not counts(oldest := next(iter(given)), now_us):
            self.taken -= given.pop(oldest)

    def free(self, now_us: int) -> int:
        """Units that may be given now; negative where more was used than was reserved, or the limit was lowered."""
        self.forget(now_us)
        return self.allowed - self.taken

    def lease(self, needs: Sequence[int], wish: int, now_us: int) -> int:
        """Give units for as many of the ``needs`` as there is room for, in their order; with plenty of room up to
        ``wish``. Returns how many were given.
        """
        free = self.free(now_us)
        units = 0
        for need in needs:
            if units + need <= free:
                units += need
        units = max(units, min(wish, free // _SHARE))
        if units > 0:
            self.add(now_us // SECOND_US, units)
        return max(units, 0)

    def add(self, second: int, units: int) -> None:
        """Count units as given in this second; a negative number gives them back. What is forgotten stays so."""
        found = self.given.get(second, 0)
        now_given = max(0, found + units)
        self.taken += now_given - found
        if not now_given:
            self.given.pop(second, None)
        elif found or not self.given or second > next(reversed(self.given)):
            self.given[second] = now_given
        else:
            self.given = dict(sorted([*self.given.items(), (second, now_given)]))

    def opens_us(self, units: int, now_us: int) -> int:
        """When so many units are free if nobody takes any until then. Never, for more than the limit: then its end."""
        free = self.free(now_us)
        opens_us = now_us
        for second, given in self.given.items():
            if free >= units:
                break
            free += given
            opens_us = _counts_until_us(second)
        return opens_us

    def resets_us(self, now_us: int) -> int:
        """When nothing counts any more."""
        self.forget(now_us)
        return _counts_until_us(next(reversed(self.given))) if self.given else now_us


def counts(second: int, now_us: int) -> bool:
    """Whether what was given in this second still counts."""
    return _counts_until_us(second) > now_us


def _counts_until_us(second: int) -> int:
    return (second + HELD_S) * SECOND_US
