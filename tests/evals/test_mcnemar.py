"""The exact test against values that can be worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.evals import mcnemar


@pytest.mark.parametrize(
    ("wins", "losses", "one_sided", "two_sided"),
    [
        (0, 0, 1.0, 1.0),
        (5, 0, 1 / 32, 2 / 32),
        (8, 0, 1 / 256, 2 / 256),
        # 8 coins: 1 + 8 = 9 of 256 ways to have at least 7 heads.
        (7, 1, 9 / 256, 18 / 256),
        (1, 7, 1 - 1 / 256, 18 / 256),
        (3, 3, 42 / 64, 1.0),
        # Fagerland, Lydersen, Laake (2013), BMC Med. Res. Methodol. 13:91, exact conditional: 1 against 7 gives 0.070.
        (7, 1, 0.03515625, 0.0703125),
    ],
)
def test_hand_worked_values(wins: int, losses: int, one_sided: float, two_sided: float) -> None:
    found = mcnemar(wins, losses)
    assert found.one_sided == pytest.approx(one_sided)
    assert found.two_sided == pytest.approx(two_sided)


@given(st.integers(0, 80), st.integers(0, 80))
def test_the_two_sides_fit_together(wins: int, losses: int) -> None:
    found, swapped = mcnemar(wins, losses), mcnemar(losses, wins)
    assert found.two_sided == swapped.two_sided
    assert 0 < found.one_sided <= 1
    assert found.two_sided == pytest.approx(min(1, 2 * min(found.one_sided, swapped.one_sided)))
    assert mcnemar(wins + 1, losses).one_sided <= found.one_sided


def test_thousands_of_items_do_not_overflow() -> None:
    assert mcnemar(3_000, 0).two_sided == 0.0
    assert mcnemar(1_500, 1_500).two_sided == 1.0
