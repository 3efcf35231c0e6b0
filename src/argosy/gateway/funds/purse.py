"""One process's slice of one fund: what it has at hand, and what it holds for requests that are under way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from argosy.billing.funds import Fund
from argosy.billing.funds.leases import Given, Want

KNOWN_S = 0.25
"""For so long what was heard of a fund is taken to be so: refusing costs no transaction then."""
_AHEAD_S = 1.0
"""How far ahead money is leased, at the pace of late."""
_PACE_S = 0.1
"""The shortest time that a pace is taken from."""
_LOW = 4
"""With less than one in so many of a lease left, more is asked for while the rest is being spent."""


@dataclass(slots=True, eq=False)
class Purse:
    """Amounts are micro-units, times this process's in seconds. All of it belongs to the loop's thread."""

    fund: Fund
    at_hand: int = 0
    """Leased and not held. Below zero where a request used more than was held for it."""
    held: int = 0
    waiting: int = 0
    """Requests that wait for this purse: who comes after them does not overtake."""
    asking: bool = False
    tight: bool = False
    """Whether the fund had less than was wished for: then nothing is kept that is not needed."""
    unsure: bool = False
    """Whether more may be out in its name than it has: an exchange failed, and may have happened all the same."""
    gone: bool = False
    """Whether the fund was taken away."""
    used_at: float = -math.inf
    _size: int = 0
    _taken: int = 0
    _taken_from: float = -math.inf
    _potential: int = 0
    """What was free or out when it was last heard of: no more than this can ever be had."""
    _heard_at: float = -math.inf
    free: int = 0

    def take(self, amount: int, now: float) -> None:
        """Hold money that is at hand."""
        self.at_hand -= amount
        self.held += amount
        self._taken += amount
        self.used_at = now

    def settle(self, amount: int, charged: int, now: float) -> None:
        """A hold is over: what was charged stays out until it is posted, the rest is at hand again."""
        self.held -= amount
        self.at_hand += amount - charged
        self._taken -= max(0, amount - charged)
        self.used_at = now

    def hopeless(self, amount: int, now: float) -> bool:
        """Whether so much cannot be had, even if everything that is held came back."""
        return now - self._heard_at < KNOWN_S and amount > self._potential

    @property
    def most(self) -> int:
        """No more than this can be had, even if everything that is held came back."""
        return 0 if self.gone else self._potential

    def short(self, amount: int, now: float) -> bool:
        """Whether so much was not there a moment ago."""
        return self.gone or (now - self._heard_at < KNOWN_S and amount > self.free + self.at_hand)

    @property
    def low(self) -> bool:
        """Whether it is time to lease more."""
        return not self.asking and not self.tight and self.at_hand * _LOW < self._size

    def want(self, needs: Sequence[int], now: float, *, unposted: int) -> Want:
        """What to ask for. What is at hand goes back first where it is too little for somebody, or the fund is tight:
        so that it can be had by whoever comes first, in whatever process. ``unposted`` charges, of any fund, are still
        to be posted.
        """
        self.asking = True
        back = 0
        if needs or self.tight or self.at_hand < 0 or now - self.used_at > _AHEAD_S:
            back, self.at_hand = self.at_hand, 0
        idle = now - self.used_at > _AHEAD_S and not needs
        wish = 0 if idle else math.ceil(self._taken * _AHEAD_S / max(now - self._taken_from, _PACE_S))
        self._taken, self._taken_from = 0, now
        nothing_out = not self.held and not self.at_hand and not unposted
        return Want(back, tuple(needs), max(0, wish), self.held, nothing_out)

    def receive(self, given: Given | None, want: Want, now: float) -> None:
        """What came of it. None: there is no such fund any more."""
        self.asking = False
        if given is None:
            self.gone = True
            return
        self.at_hand += given.amount
        self.unsure = self.unsure and not want.idle
        self._size = given.amount
        self.tight = given.amount < max(sum(want.needs), want.wish)
        self.free, self._potential, self._heard_at = given.free, given.free + given.out, now

    def failed(self, want: Want, *, may_have_happened: bool) -> None:
        """The exchange failed. If it may have happened all the same, what was given back counts as gone: money that is
        in no hand comes back when this process is idle, money that is in two would be spent twice.
        """
        self.asking = False
        self.unsure |= may_have_happened
        if not may_have_happened or want.back < 0:
            self.at_hand += want.back
