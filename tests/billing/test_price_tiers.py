"""Tiers, discounts, cached tokens and costs: each quantity is charged once, exactly, and the books say the same."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy import billing
from argosy.billing import PROVIDER_COST, PROVIDER_PAYABLE, REVENUE, Price, Terms, Tier, UsageEvent, invoices, rate
from argosy.billing.ledger import store as ledger_store
from argosy.billing.ledger import verify
from argosy.billing.rating import cost_amount, cost_entries, saved_amount, tier
from argosy.billing.reports import EventFilter, get_event, list_events, margins
from argosy.core import Internal, charge

rates = st.integers(0, 10**9)
counts = st.integers(0, 300)
tiers = st.dictionaries(st.integers(1, 400), st.tuples(rates, rates, rates), max_size=4).map(
    lambda found: tuple(Tier(above, *found[above]) for above in sorted(found))
)
prices = st.builds(
    lambda a, b, c, d, t: Price("price_1", "ship", 1, "USD", a, b, c, d, 0, tiers=t), rates, rates, rates, rates, tiers
)
events = st.builds(
    lambda prompt, cached, output, training, saved, off: UsageEvent(
        id="req_1", project_id="proj_a", key_id=None, kind="completion", model="ship", base_model="ship",
        price_version="price_1", started_us=0, finished_us=1, prompt_tokens=prompt, cached_tokens=cached,
        completion_tokens=output, training_tokens=training, saved_prompt_tokens=saved, discount=off,
    ),
    counts, counts, counts, counts, counts, st.integers(0, 100),
)  # fmt: skip
TIERED = Terms("USD", 1_000_000, 500_000, 2_000_000, tiers=(Tier(100, 3_000_000, 1_500_000, 6_000_000),))


def expected(event: UsageEvent, price: Price, off: int) -> int:
    """Written down once more, as a customer would."""
    length, chosen = event.prompt_tokens + event.saved_prompt_tokens, (price.input, price.cached_input, price.output)
    for one in price.tiers:
        if length > one.above_prompt_tokens:
            chosen = (one.input, one.cached_input, one.output)
    cached = min(event.cached_tokens, event.prompt_tokens)
    units = (event.prompt_tokens - cached, cached, event.completion_tokens)
    parts = [*zip(units, chosen, strict=True), (event.training_tokens, price.training)]
    return sum((count * unit * (100 - off) + 50_000_000) // 100_000_000 for count, unit in parts)


@given(events, prices, prices)
def test_each_quantity_is_charged_once_at_its_tier_and_cost_has_nothing_to_do_with_it(event, price, cost):
    entries = rate(event, price)
    assert sum(entry.amount for entry in entries) == 0
    assert -sum(entry.amount for entry in entries if entry.account == REVENUE) == expected(event, price, event.discount)
    assert cost_amount(event, cost) == expected(event, cost, 0), "no discount of ours is the provider's"
    owed = cost_entries(event, replace(cost, provider="openai"), cost_amount(event, cost))
    assert sum(entry.amount for entry in owed) == 0
    assert all((entry.project_id, entry.party) == ("", "openai") for entry in owed)
    assert cost_amount(event, None) == 0
    assert cost_entries(event, None, 5) == []
    assert saved_amount(event, price) >= 0


@given(prices, st.integers(0, 500))
def test_a_tier_is_found_again_by_its_name(price, length):
    name = price.tier(length)
    assert name == max((one.above_prompt_tokens for one in price.tiers if length > one.above_prompt_tokens), default=0)
    assert price.rates(name) is (price if name == 0 else next(t for t in price.tiers if t.above_prompt_tokens == name))


def test_the_bound_itself_is_below_the_tier(meter):
    price = Price("p", "ship", 1, "USD", 1, 1, 1, 1, 0, tiers=TIERED.tiers)
    assert [tier(meter.event("r", prompt_tokens=n), price) for n in (100, 101)] == [0, 100]
    kept = meter.event("r", prompt_tokens=0, saved_prompt_tokens=101)
    assert tier(kept, price) == 100, "what a kept answer saved is worth what it would have cost"


def test_rows_reports_and_invoices_show_the_unit_price_that_was_charged(database, tenants, meter):
    with database.write() as tx:
        tiered = billing.ensure_price(tx, "ship", TIERED)
        short, long = (
            replace_price(
                meter.event(f"req_{n}", at=100, prompt_tokens=n, cached_tokens=40, completion_tokens=7), tiered
            )
            for n in (100, 101)
        )
        half = replace_price(meter.event("req_b", at=100, prompt_tokens=333, discount=50, batch_id="batch_1"), tiered)
        assert billing.record(tx, [short, long, half]) == 3
        for line in list_events(tx, "proj_a", EventFilter()):
            for name, units in line.units.items():
                assert line.amounts[name] == charge(units, line.unit_prices[name], line.discount), (line.id, name)
        assert get_event(tx, "proj_a", "req_100").tier == 0
        assert get_event(tx, "proj_a", "req_101").tier == 100
    invoice = invoices.close(database, "proj_a", 0, 200)
    with database.read() as tx:
        found = {(line.tier, line.discount, line.quantity): (line.units, line.unit_price) for line in invoice.lines}
        assert found == {
            (0, 0, "input"): (60, 1_000_000),
            (0, 0, "cached_input"): (40, 500_000),
            (0, 0, "output"): (7, 2_000_000),
            (100, 0, "input"): (61, 3_000_000),
            (100, 0, "cached_input"): (40, 1_500_000),
            (100, 0, "output"): (7, 6_000_000),
            (100, 50, "input"): (333, 3_000_000),
        }
        assert invoices.get_invoice(tx, "proj_a", invoice.id) == invoice
        assert all(line.amount == charge(line.units, line.unit_price, line.discount) for line in invoice.lines)
    assert "above 100 tokens of prompt" in invoices.render_page(invoice)
    assert "提示超过 100 Token" in invoices.render_page(invoice, "zh")


def test_a_cost_is_posted_with_the_sale_balanced_apart_and_no_customer_sees_it(database, meter):
    with database.write() as tx:
        cost = billing.ensure_cost(tx, "openai", "ship", Terms("USD", 100_000, 50_000, 400_000))
        used = [
            costing(meter.event("req_1", prompt_tokens=1_000, cached_tokens=200, completion_tokens=50), cost),
            costing(meter.event("req_2", prompt_tokens=1_000, discount=100), cost),  # given away, and yet it costs
            meter.event("req_3", prompt_tokens=1_000),
        ]
        assert billing.record(tx, used) == 3
        assert billing.record(tx, used) == 0
        owed = 80 + 10 + 20 + 100
        assert billing.balances(tx, "") == {PROVIDER_COST: owed, PROVIDER_PAYABLE: -owed}
        assert {entry.party for entry in billing.list_entries(tx, "", 0, 10)} == {"openai"}
        assert {entry.account for entry in billing.list_entries(tx, "proj_a", 0, 99)} == {"receivable", "revenue"}
        assert ledger_store.unbalanced_transactions(tx) == []
        assert verify(tx).problems == []
        at_provider, ours = sorted(margins(tx, ["proj_a"], 0, 2_000), key=lambda one: one.cost, reverse=True)
        assert (at_provider.provider, at_provider.events, at_provider.revenue) == ("openai", 2, 165)
        assert (at_provider.cost, at_provider.margin, at_provider.percent) == (owed, 165 - owed, -27.27)
        assert (ours.provider, ours.cost, ours.percent) == ("", 0, 100.0)
        assert margins(tx, ["proj_b"], 0, 2_000) == margins(tx, ["proj_a"], 2_000, 3_000) == []


def test_a_new_cost_leaves_what_was_pinned_alone(database, meter):
    with database.write() as tx:
        first = billing.ensure_cost(tx, "openai", "ship", Terms("USD", 1_000_000, 0, 0))
        second = billing.ensure_cost(tx, "openai", "ship", Terms("USD", 9_000_000, 0, 0))
        assert billing.current_costs(tx)["openai", "ship"].id == second
        billing.record(tx, [costing(meter.event("req_1", prompt_tokens=7), first)])
        assert billing.balance(tx, "", PROVIDER_COST) == 7


def test_usage_at_an_unknown_cost_is_not_posted_half(database, meter):
    with pytest.raises(Internal, match="unknown cost"), database.write() as tx:
        billing.record(tx, [meter.event("req_1", prompt_tokens=7), costing(meter.event("req_2"), "cost_gone")])
    with database.read() as tx:
        assert billing.balances(tx, "proj_a") == billing.balances(tx, "") == {}


def replace_price(event, price_version):
    return msgspec.structs.replace(event, price_version=price_version)


def costing(event, cost_version):
    return msgspec.structs.replace(event, cost_version=cost_version)
