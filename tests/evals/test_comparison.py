"""Four verdicts, and what each takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.evals import compare


def outcomes(both: int, wins: int, losses: int, neither: int) -> tuple[list[bool], list[bool]]:
    before = [True] * both + [False] * wins + [True] * losses + [False] * neither
    after = [True] * both + [True] * wins + [False] * losses + [False] * neither
    return before, after


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((0, 90, 0, 60), "better"),
        ((0, 0, 90, 60), "worse"),
        ((0, 6, 0, 24), "better"),
        # Five wins of five are 1 in 16, two-sided: the interval excludes 0, the exact test does not agree yet.
        ((0, 5, 0, 25), "inconclusive"),
        ((70, 12, 10, 58), "inconclusive"),
        ((400, 3, 3, 594), "equivalent"),
        ((0, 0, 0, 30), "inconclusive"),
        ((0, 0, 0, 0), "inconclusive"),
    ],
)
def test_verdicts(counts: tuple[int, int, int, int], verdict: str) -> None:
    assert compare(*outcomes(*counts)).verdict == verdict


def test_a_comparison_says_all_it_knows() -> None:
    found = compare([False, False, True, True], [True, False, True, False])
    assert (found.before.passed, found.after.passed, found.after.total) == (2, 2, 4)
    assert (found.test.wins, found.test.losses, found.difference) == (1, 1, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_turning_the_comparison_round_turns_the_verdict_round(pairs: list[tuple[bool, bool]]) -> None:
    before, after = [old for old, _ in pairs], [new for _, new in pairs]
    turned = {"better": "worse", "worse": "better"}
    verdict = compare(before, after).verdict
    assert compare(after, before).verdict == turned.get(verdict, verdict)


def test_other_items_are_not_paired() -> None:
    with pytest.raises(ValueError, match="same items"):
        compare([True], [True, False])
