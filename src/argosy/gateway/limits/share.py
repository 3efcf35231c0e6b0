"""One process's share of one window: the lease in its hand, and what it last heard of the rest."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from argosy.gateway.limits.store import Correction, Lease, Want, WindowKey
from argosy.gateway.limits.window import LEASE_S, SECOND_US, Window, counts

CLOSED_S = 0.25
"""For so long a window that had no room is not asked again: refusing costs no transaction then."""
_PACE_S = 0.1
"""The shortest time that a pace is taken from: two requests in a millisecond are not yet two thousand a second."""
_LOW = 4
"""With less than one in so many units of a lease left, the next one is asked for while this one is being spent."""


@dataclass(slots=True, eq=False)
class Share:
    """Spends a lease. All times are this process's, in seconds; the window's are the database's."""

    key: WindowKey
    window: Window
    """As it stood after the last lease."""
    correct: Callable[[Correction], None]
    """Takes what is to be counted in the database, before long."""
    left: int = 0
    """Units of the lease that are not spent."""
    asking: bool = False
    """Whether a lease is on its way."""
    _size: int = 0
    _spent: int = 0
    _counted_from: float = -math.inf
    _second: int = 0
    _until: float = -math.inf
    _gone_until: float = -math.inf
    _closed_until: float = -math.inf
    _closed_from: float = 0
    _offset_us: int | None = None
    """The database's time less ours; None before the first lease."""

    def holds(self, units: int, now: float) -> bool:
        """Whether so many units can be taken now."""
        return (self.left >= units and now < self._until) or now < self._gone_until

    def take(self, units: int) -> int:
        """Spend units that it `holds`. Returns the second they were given in."""
        self.left = max(0, self.left - units)
        self._spent += units
        return self._second

    def low(self, now: float) -> bool:
        """Whether it is time to ask for the next lease: this one is being spent, and will not last."""
        return self.left * _LOW < self._size and not self.asking and self._size > 1 and now >= self._closed_until

    def closed(self, units: int, now: float) -> bool:
        """Whether the window said a moment ago that it has no room for so many."""
        return now < self._closed_until and units >= self._closed_from

    def want(self, needs: tuple[int, ...], now: float) -> Want:
        """What to ask for: as much as would be spent in a lease's time, at the pace since it was last asked.

        A lease that has too little for somebody is given back in the same exchange, so that its units can be had.
        """
        self.asking = True
        if needs or now >= self._until:
            self.give_up()
        wish = math.ceil(self._spent * LEASE_S / max(now - self._counted_from, _PACE_S))
        self._spent, self._counted_from = 0, now
        return Want(needs, max(0, wish))

    def receive(self, lease: Lease | None, needs: Sequence[int], asked: float, now: float) -> None:
        """Take the new lease, and give back what is left of the old one. None: there is no such limit any more."""
        if lease is None:
            self._gone_until = now + LEASE_S
            return
        self.window, self._offset_us = lease.window, lease.now_us - round(now * SECOND_US)
        if lease.units:
            self.give_up()
            self.left = self._size = lease.units
            self._second, self._until = lease.now_us // SECOND_US, asked + LEASE_S
        if sum(needs) > lease.units or not lease.units:
            short = [need for need in needs if need > lease.units] or needs
            self._closed_until, self._closed_from = asked + CLOSED_S, min(short, default=math.inf)

    def expire(self, now: float) -> None:
        """Give back what is left of a lease whose time is over."""
        if now >= self._until:
            self.give_up()

    def give_up(self) -> None:
        """Give back what is left of the lease."""
        left, self.left = self.left, 0
        if left:
            self._count(self._second, -left)

    def refund(self, second: int, units: int, now: float) -> None:
        """Give back units that were taken but not used: to the lease they are of, else to the window."""
        self._closed_until = -math.inf
        self._spent -= units
        if second == self._second and now < self._until:
            self.left += units
        elif counts(second, self.now_us(now)):
            self._count(second, -units)

    def overrun(self, units: int, now: float) -> None:
        """More was used than was taken: it comes out of the lease, and what is over that, out of the window."""
        at_hand = min(self.left, units) if now < self._until else 0
        self.left -= at_hand
        if units > at_hand:
            self._count(self.now_us(now) // SECOND_US, units - at_hand)

    def now_us(self, now: float) -> int:
        """The database's time, at most a moment behind it."""
        return round(now * SECOND_US) + (self._offset_us or 0)

    def remaining(self, now: float) -> int:
        """Units that are free, as far as this process knows, its own among them."""
        if self._offset_us is None:
            return self.window.allowed
        own = self.left if now < self._until else 0
        return max(0, min(self.window.allowed, self.window.free(self.now_us(now)) + own))

    def resets_s(self, now: float) -> float:
        """Until nothing of it is taken any more."""
        return self._seconds_to(self.window.resets_us(self.now_us(now)), now)

    def opens_s(self, units: int, now: float) -> float:
        """Until so many units are free, if nobody else takes them."""
        return self._seconds_to(self.window.opens_us(units, self.now_us(now)), now)

    def _seconds_to(self, then_us: int, now: float) -> float:
        return max(0.0, (then_us - self.now_us(now)) / SECOND_US)

    def _count(self, second: int, units: int) -> None:
        self.correct(Correction(self.key, second, units))
        self.window.add(second, units)
