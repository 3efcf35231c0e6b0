"""How many items; what a number of items can show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.evals import detectable_difference, items_needed


def test_a_hand_worked_size() -> None:
    # (1.6449 * sqrt(0.3) + 0.8416 * sqrt(0.3 - 0.04))^2 / 0.04 = (0.90093 + 0.42914)^2 / 0.04 = 44.2
    assert items_needed(0.2, 0.3) == 45
    # The whole difference is discordance: (1.6449 * sqrt(0.5) + 0.8416 * 0.5)^2 / 0.25 = 10.03
    assert items_needed(0.5, 0.5) == 11


@given(st.integers(20, 2_000), st.floats(0.15, 1))
def test_what_is_detectable_needs_no_more_items_than_there_are(items: int, discordant: float) -> None:
    found = detectable_difference(items, discordant)
    if found is not None:
        assert 0 < found <= discordant
        assert items_needed(found, discordant) <= items
        assert items_needed(found * 0.98, discordant) >= items


def test_too_few_items_show_nothing() -> None:
    assert detectable_difference(3, 0.2) is None
    assert detectable_difference(0, 0.2) is None


def test_a_difference_beyond_the_discordant_share_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot exceed"):
        items_needed(0.3, 0.2)
