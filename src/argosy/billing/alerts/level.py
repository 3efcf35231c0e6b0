"""How far a fund is used. Pure.

A budget is used in percent of its amount, anew each month. Of a prepaid fund, what counts is what it held when it was
last filled: of all that was ever paid, the little that is left would always be the last percent.
"""

from collections.abc import Iterable
from typing import NamedTuple

from argosy.core import PERCENT

DEFAULT_THRESHOLDS = (80, 100)
"""Percent."""


class Level(NamedTuple):
    """A fund's use. Amounts are micro-units."""

    fund_id: str
    organization_id: str
    kind: str
    scope: str
    subject: str
    currency: str
    period: str
    used: int
    allowed: int
    thresholds: tuple[int, ...]

    def reached(self) -> Iterable[int]:
        """The thresholds that are reached, from the lowest on."""
        if self.allowed <= 0:
            return []
        return [percent for percent in sorted(self.thresholds) if self.used * PERCENT >= percent * self.allowed]
