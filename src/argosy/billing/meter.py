"""Meter, rate, post: usage events become rows and ledger entries in one transaction, each id once.

Invariants: an event and its entries are committed together or not at all; an id that is already there changes nothing,
so recording may be repeated by anyone at any time; ids are inserted in order, so that two recorders never deadlock.
"""

from collections.abc import Sequence

from argosy.billing import ledger, store
from argosy.billing.prices import Price
from argosy.billing.rating import Rated, amounts, entries_of, saved_amount
from argosy.billing.usage import UsageEvent
from argosy.core import Internal
from argosy.runtime import Transaction


def record(tx: Transaction, events: Sequence[UsageEvent]) -> int:
    """Post the events that are new; returns how many were. Raises Internal if an event names an unknown price."""
    unique = {event.id: event for event in reversed(events)}  # of two with one id, the first counts
    prices = store.prices_by_id(tx, {event.price_version for event in unique.values()})
    rated = [_rated(event, _price(prices, event)) for _, event in sorted(unique.items())]
    new = store.insert_usage(tx, rated, store.next_posting(tx))
    ledger.post(
        tx,
        [
            entry
            for event, charged, _ in rated
            if event.id in new
            for entry in entries_of(event, charged, prices[event.price_version].currency)
        ],
    )
    return len(new)


def _rated(event: UsageEvent, price: Price) -> Rated:
    return event, amounts(event, price), saved_amount(event, price)


def _price(prices: dict[str, Price], event: UsageEvent) -> Price:
    price = prices.get(event.price_version)
    if price is None:
        raise Internal(f"Usage {event.id} names the unknown price '{event.price_version}'.", code="unknown_price")
    return price
