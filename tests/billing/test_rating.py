"""What an event costs: anyone can add it up again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.billing import QUANTITIES, RECEIVABLE, REVENUE, Price, UsageEvent, price_for, quantities, rate
from argosy.core import charge

tokens = st.integers(0, 10**9)
prices = st.integers(0, 10**9)


def event(**counts: Any) -> UsageEvent:
    return UsageEvent(
        id="req_1",
        project_id="proj_a",
        key_id=None,
        kind="completion",
        model="ship",
        base_model="ship",
        price_version="price_1",
        started_us=0,
        finished_us=1,
        **counts,
    )


def price(*amounts: int, **measured: int) -> Price:
    return Price("price_1", "ship", 1, "USD", *amounts, created_at=0, measured=measured)


@given(st.tuples(tokens, tokens, tokens, tokens, tokens), st.tuples(prices, prices, prices, prices, prices))
def test_entries_are_exactly_the_charges_and_sum_to_zero(counts: tuple[int, ...], unit_prices: tuple[int, ...]) -> None:
    prompt, cached, output, training, seconds = counts
    tokens = {"prompt_tokens": prompt, "cached_tokens": cached, "completion_tokens": output}
    used = event(**tokens, training_tokens=training, measured="engine_seconds", measured_units=seconds)
    *of_tokens, of_seconds = unit_prices
    entries = rate(used, price(*of_tokens, engine_seconds=of_seconds, images=of_seconds + 1))
    cached = min(cached, prompt)
    expected = dict(zip(QUANTITIES, (prompt - cached, cached, output, training, seconds), strict=True))
    assert quantities(used) == expected
    earned = {entry.quantity: -entry.amount for entry in entries if entry.account == REVENUE}
    assert "measured" not in earned
    earned["measured"] = earned.pop("engine_seconds", 0)
    for name, unit_price in zip(QUANTITIES, unit_prices, strict=True):
        assert earned.get(name, 0) == charge(expected[name], unit_price)
    assert sum(entry.amount for entry in entries) == 0
    assert sum(entry.amount for entry in entries if entry.account == RECEIVABLE) == sum(earned.values())
    assert all(entry.amount for entry in entries)


def test_a_prompt_is_paid_for_once_cached_or_not() -> None:
    used = event(prompt_tokens=1_000_000, cached_tokens=400_000)
    amounts = {entry.quantity: -entry.amount for entry in rate(used, price(100, 10, 0, 0)) if entry.account == REVENUE}
    assert amounts == {"input": 60, "cached_input": 4}


def test_what_was_measured_and_has_no_price_is_counted_and_costs_nothing() -> None:
    assert rate(event(measured="images", measured_units=3), price(9, 9, 9, 9, characters=9)) == []


def test_what_costs_nothing_has_no_entries() -> None:
    assert rate(event(prompt_tokens=5), price(0, 0, 0, 0)) == []


def test_a_negative_count_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="negative"):
        event(completion_tokens=-1)


def test_a_tuned_model_costs_what_its_base_costs_unless_it_has_a_price() -> None:
    base, own = price(1, 1, 1, 1), price(2, 2, 2, 2)
    assert price_for({"ship": base}, "ft:ship:argosy:x:1", "ship") is base
    assert price_for({"ship": base, "ft:ship:argosy:x:1": own}, "ft:ship:argosy:x:1", "ship") is own
    assert price_for({}, "ship", "ship") is None
