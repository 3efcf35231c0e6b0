"""Intervals on a score and on the difference of two scores over the same items.

Wilson, E. B. (1927), J. Amer. Statist. Assoc. 22:209-212: unlike the usual plus-minus, it never leaves [0, 1] and does
not collapse to nothing at 0 of n, which is where a base model often is.
Newcombe, R. G. (1998), Statist. Med. 17:2635-2650, method 10: the paired difference from the two Wilson intervals and
the correlation of the answers. In closed form, and sound when a cell of the table is empty, as after most fine-tunes.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """A closed interval, as shares (not percent)."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Score:
    """``passed`` of ``total`` items."""

    passed: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 for no items."""
        return self.passed / self.total if self.total else 0.0

    def interval(self, confidence: float = 0.95) -> Interval:
        """Wilson's interval; the whole of [0, 1] for no items."""
        return wilson(self.passed, self.total, confidence)


def two_sided_z(confidence: float) -> float:
    """1.96 for 0.95. Raises ValueError outside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError("a confidence lies strictly between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(passed: int, total: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for ``passed`` of ``total``. Raises ValueError unless 0 <= passed <= total."""
    if not 0 <= passed <= total:
        raise ValueError("of n items, between 0 and n can pass")
    z = two_sided_z(confidence)
    if total == 0:
        return Interval(0.0, 1.0)
    share, z2 = passed / total, z * z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = z / (1 + z2 / total) * sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    # At the ends the bound is exact; computing it would leave 1e-18 there.
    return Interval(0.0 if passed == 0 else middle - half, 1.0 if passed == total else middle + half)


def paired_difference(both: int, only_first: int, only_second: int, neither: int, confidence: float = 0.95) -> Interval:
    """Newcombe's interval for share(first) - share(second), from how many items each pair of outcomes had.

    Raises ValueError for negative counts. No items give [-1, 1].
    """
    if min(both, only_first, only_second, neither) < 0:
        raise ValueError("counts are never negative")
    total = both + only_first + only_second + neither
    if total == 0:
        return Interval(-1.0, 1.0)
    first, second = (both + only_first) / total, (both + only_second) / total
    one, two = wilson(both + only_first, total, confidence), wilson(both + only_second, total, confidence)
    correlation = _correlation(both, only_first, only_second, neither)
    below = _joined(first - one.low, two.high - second, correlation)
    above = _joined(one.high - first, second - two.low, correlation)
    return Interval(max(-1.0, first - second - below), min(1.0, first - second + above))


def _joined(one: float, two: float, correlation: float) -> float:
    """Length of the sum of two margins with a correlation (square and add)."""
    return sqrt(max(0.0, one * one - 2 * correlation * one * two + two * two))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Newcombe's phi, with his continuity correction when it is positive; 0 where a margin is empty."""
    product = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if product == 0:
        return 0.0
    excess: float = both * neither - only_first * only_second
    if excess > 0:
        excess = max(excess - (both + only_first + only_second + neither) / 2, 0.0)
    return excess / sqrt(product)
