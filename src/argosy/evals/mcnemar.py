"""McNemar's exact test: of the items that only one of two models got right, are too many on one side?

McNemar, Q. (1947), Psychometrika 12:153-157; exact form: under "no difference" each discordant item is a fair coin.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb


@dataclass(frozen=True)
class McNemar:
    """``wins`` and ``losses`` count the items that only the first, or only the second model got right."""

    wins: int
    losses: int
    one_sided: float
    """How likely so many wins or more are if the first is no better. Small: it is better."""
    two_sided: float
    """How likely so lopsided a count, either way, is if the two are alike."""


def mcnemar(wins: int, losses: int) -> McNemar:
    """The exact test; p = 1 when nothing is discordant. Raises ValueError for negative counts."""
    if wins < 0 or losses < 0:
        raise ValueError("counts are never negative")
    return McNemar(
        wins,
        losses,
        float(_tail(wins, losses)),
        float(min(Fraction(1), 2 * _tail(max(wins, losses), min(wins, losses)))),
    )


def _tail(wins: int, losses: int) -> Fraction:
    """P(at least ``wins`` heads of ``wins + losses`` fair coins). Exact, so that no rounding is near a decision."""
    flips = wins + losses
    # Sum the shorter side of the distribution: heads >= wins is tails <= losses.
    return Fraction(sum(comb(flips, tails) for tails in range(losses + 1)), 2**flips)
