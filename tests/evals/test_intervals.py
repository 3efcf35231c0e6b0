"""Intervals against published values, and the properties that any interval must have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.evals import Score, paired_difference, wilson

COUNTS = st.integers(0, 60)


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # Newcombe (1998), Statist. Med. 17:857-872, Table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_values(passed: int, total: int, low: float, high: float) -> None:
    found = wilson(passed, total)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        # Newcombe (1998), Statist. Med. 17:2635-2650, Table III, method 10.
        # Cells: both, only the first, only the second, neither.
        ((36, 12, 2, 0), 0.0569, 0.3404),
    ],
)
def test_the_paired_interval_gives_the_published_values(cells: tuple[int, ...], low: float, high: float) -> None:
    found = paired_difference(*cells)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_paired_interval_of_uncorrelated_certainty_is_worked_by_hand() -> None:
    # 0 of 20 against 20 of 20: no correlation, and both Wilson margins are 0.1611, so 1 - 0.1611 * sqrt(2).
    found = paired_difference(0, 20, 0, 0)
    assert (round(found.low, 4), found.high) == (round(1 - 0.161125 * 2**0.5, 4), 1.0)


@given(st.integers(0, 300), st.integers(0, 300))
def test_wilson_stays_within_bounds_holds_the_share_and_mirrors(one: int, other: int) -> None:
    passed, total = min(one, other), max(one, other)
    found, mirrored = wilson(passed, total), wilson(total - passed, total)
    assert 0 <= found.low <= found.high <= 1
    assert Score(passed, total).share in found
    assert found.low == pytest.approx(1 - mirrored.high)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_paired_interval_holds_the_difference_and_changes_sign_with_the_order(
    a: int, b: int, c: int, d: int
) -> None:
    found, swapped = paired_difference(a, b, c, d), paired_difference(a, c, b, d)
    total = a + b + c + d
    assert -1 <= found.low <= found.high <= 1
    assert total == 0 or found.low - 1e-12 <= (b - c) / total <= found.high + 1e-12
    assert found.low == pytest.approx(-swapped.high)


@given(COUNTS, COUNTS)
def test_more_confidence_is_a_wider_interval(passed: int, more: int) -> None:
    narrow, wide = wilson(passed, passed + more, 0.8), wilson(passed, passed + more, 0.99)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="never negative"):
        paired_difference(1, -1, 0, 0)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, 1.0)
