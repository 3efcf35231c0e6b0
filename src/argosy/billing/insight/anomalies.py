"""Whether today is unusual, by what the days before were. Pure, and integers throughout.

A robust z: how far today is above the median of the last 14 complete days, in median absolute deviations, scaled so
that it reads like standard deviations where days vary as a bell does. One bad day among the 14 does not hide the next.
Today is not over, so that only too much can be told, not too little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

DAYS = 14
DAYS_MIN = 7
Z_MIN = Fraction(7, 2)
_SCALE = Fraction(6745, 10_000)
_FLOOR_SHARE = 20
"""A deviation is taken to be at least this part of the median: days that are all alike would make anything unusual."""
_FLOOR_MICRO = 10_000
"""And at least a hundredth of the currency's unit."""


@dataclass(frozen=True)
class Anomaly:
    """A day that costs unusually much. Micro-units."""

    spent: int
    usual: int
    """The median of the days before."""
    z_tenths: int


def anomaly(before: Sequence[int], today: int) -> Anomaly | None:
    """``before``: the complete days, oldest first; the last 14 of them count. None if today is as usual, or if there
    are too few to tell.
    """
    known = [Fraction(amount) for amount in before[-DAYS:]]
    if len(known) < DAYS_MIN:
        return None
    usual = median(known)
    deviation = max(median(abs(amount - usual) for amount in known), usual / _FLOOR_SHARE, Fraction(_FLOOR_MICRO))
    z = _SCALE * (today - usual) / deviation
    return Anomaly(today, round(usual), round(z * 10)) if z >= Z_MIN else None
