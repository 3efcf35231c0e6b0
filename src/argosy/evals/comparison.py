"""Is one model better than another, on the same items? An interval, a test, and a verdict in one of four words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from argosy.evals.intervals import Interval, Score, paired_difference
from argosy.evals.mcnemar import McNemar, mcnemar

Verdict = Literal["better", "equivalent", "worse", "inconclusive"]


@dataclass(frozen=True)
class Comparison:
    """``after`` against ``before``, item by item."""

    before: Score
    after: Score
    difference: float
    """share(after) - share(before)."""
    interval: Interval
    """Newcombe's interval for the difference."""
    test: McNemar
    """Wins are the items that only ``after`` got right."""
    verdict: Verdict


def compare(
    before: Sequence[bool], after: Sequence[bool], *, margin: float = 0.05, confidence: float = 0.95
) -> Comparison:
    """Compare outcomes at the same positions. Raises ValueError when the two do not have as many items.

    Verdict: *equivalent* when the whole interval lies within plus-minus ``margin``; else *better* (*worse*) when the
    interval excludes 0 and the exact test agrees at the same level; else *inconclusive*, which does not mean equal.
    """
    if len(before) != len(after):
        raise ValueError(f"paired outcomes need the same items, not {len(before)} and {len(after)}")
    wins = sum(new and not old for old, new in zip(before, after, strict=True))
    losses = sum(old and not new for old, new in zip(before, after, strict=True))
    both = sum(old and new for old, new in zip(before, after, strict=True))
    interval = paired_difference(both, wins, losses, len(before) - both - wins - losses, confidence)
    test = mcnemar(wins, losses)
    scores = Score(sum(before), len(before)), Score(sum(after), len(after))
    verdict = _verdict(interval, test, margin, 1 - confidence)
    return Comparison(*scores, scores[1].share - scores[0].share, interval, test, verdict)


def _verdict(interval: Interval, test: McNemar, margin: float, level: float) -> Verdict:
    if -margin < interval.low and interval.high < margin:
        return "equivalent"
    if test.two_sided <= level and interval.low > 0:
        return "better"
    if test.two_sided <= level and interval.high < 0:
        return "worse"
    return "inconclusive"
