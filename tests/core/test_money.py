"""Money is whole micro-units, rounded once per quantity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core import charge, format_money


def test_a_million_units_cost_their_price():
    assert charge(1_000_000, 20_000) == 20_000


def test_half_a_micro_unit_rounds_up():
    assert charge(1, 500_000) == 1
    assert charge(1, 499_999) == 0


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_rounding_is_never_off_by_more_than_half_a_micro_unit(quantity, price):
    assert abs(charge(quantity, price) * 1_000_000 - quantity * price) <= 500_000


@pytest.mark.parametrize(("quantity", "price"), [(-1, 1), (1, -1)])
def test_negative_quantities_are_refused_since_corrections_are_entries_of_their_own(quantity, price):
    with pytest.raises(ValueError):
        charge(quantity, price)


def test_amounts_show_all_six_digits():
    assert format_money(1_234_567, "USD") == "1.234567 USD"
    assert format_money(-50, "CNY") == "-0.000050 CNY"
