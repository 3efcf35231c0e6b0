"""What one request took from its limits, and what of it is given back when it is over."""

from collections.abc import Callable
from dataclasses import dataclass

from argosy.gateway.limits.share import Share

Clock = Callable[[], float]
"""This process's time in seconds, which never goes back."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Units of one window."""

    share: Share
    units: int
    second: int
    """When they were given, as the window counts it."""


@dataclass(slots=True)
class Hold:
    """Everything that one request took."""

    taken: tuple[Taken, ...]
    clock: Clock

    def settle(self, tokens: int, dispatched: bool) -> None:
        """Count what was really used; only the first call does anything. A request that no engine was given used
        nothing, and is not counted as a request either.
        """
        taken, self.taken = self.taken, ()
        now = self.clock()
        for each in taken:
            used = tokens if each.share.key.unit == "tokens" else int(dispatched)
            if used < each.units:
                each.share.refund(each.second, each.units - used, now)
            elif used > each.units:
                each.share.overrun(used - each.units, now)
