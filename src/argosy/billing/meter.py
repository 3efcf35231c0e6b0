"""Meter, rate, post: usage events become rows and ledger entries in one transaction, each id once.

Invariants: an event and its entries are committed together or not at all; an id that is already there changes nothing,
so recording may be repeated by anyone at any time; who records takes turns at the ledger from before the rows are
inserted, so that postings are numbered in the order in which they are committed.
"""

from collections.abc import Sequence

from argosy.billing import alerts, funds, ledger, shares, store
from argosy.billing.credits import Charge, spend_credits
from argosy.billing.prices import Price, costs_by_id, prices_by_id
from argosy.billing.rating import Rated, amounts, cost_amount, cost_entries, entries_of, saved_amount, tier
from argosy.billing.usage import UsageEvent
from argosy.core import Internal
from argosy.runtime import Transaction


def record(tx: Transaction, events: Sequence[UsageEvent], holder: str = "") -> int:
    """Post the events that are new; returns how many were. Raises Internal if an event names an unknown price.

    ``holder`` is whose leases the money was held from, see `argosy.billing.funds.leases`.
    """
    unique = {event.id: event for event in reversed(events)}  # of two with one id, the first counts
    prices = prices_by_id(tx, {event.price_version for event in unique.values()})
    costs = costs_by_id(tx, {event.cost_version for event in unique.values()})
    rated = [_rated(event, _price(prices, event), _cost(costs, event)) for _, event in sorted(unique.items())]
    ledger.lock(tx)  # first, then the funds in their order: as everybody does who needs both
    new = store.insert_usage(tx, rated, store.next_posting(tx))
    posted = [
        (event, four, cost, prices[event.price_version].currency)
        for event, four, _, _, cost in rated
        if event.id in new
    ]
    touched = funds.spend(tx, [(event, sum(four)) for event, four, _, _ in posted], holder)
    paid = spend_credits(tx, [Charge(event, sum(four), currency) for event, four, _, currency in posted if event.fund])
    entries = [
        entry
        for event, four, cost, currency in posted
        for entry in (
            *entries_of(event, four, currency, paid.get(event.id, ())),
            *cost_entries(event, costs.get(event.cost_version), cost),
        )
    ]
    entries += shares.settle(tx, [(event, sum(four), currency) for event, four, _, currency in posted])
    ledger.post(tx, entries)
    alerts.notice(tx, touched)
    return len(new)


def _rated(event: UsageEvent, price: Price, cost: Price | None) -> Rated:
    owed = cost_amount(event, cost)
    return event, amounts(event, price), saved_amount(event, price), tier(event, price), owed


def _price(prices: dict[str, Price], event: UsageEvent) -> Price:
    price = prices.get(event.price_version)
    if price is None:
        raise Internal(f"Usage {event.id} names the unknown price '{event.price_version}'.", code="unknown_price")
    return price


def _cost(costs: dict[str, Price], event: UsageEvent) -> Price | None:
    if event.cost_version and event.cost_version not in costs:
        raise Internal(f"Usage {event.id} names the unknown cost '{event.cost_version}'.", code="unknown_price")
    return costs.get(event.cost_version)
