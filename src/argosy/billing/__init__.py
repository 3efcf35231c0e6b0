"""Meter, rate, post, close: usage becomes money.

A journal that survives `kill -9` takes usage events in; `record` posts each one once, at the price that was valid when
it started, to a double-entry ledger in integer micro-units; `invoices` closes periods.
"""

from argosy.billing import funds, invoices
from argosy.billing.journal import Journal
from argosy.billing.ledger import INVOICED, RECEIVABLE, REVENUE, Entry, balance, balances, list_entries
from argosy.billing.meter import record
from argosy.billing.poster import Poster
from argosy.billing.posting import post_events
from argosy.billing.prices import Price, Tariff, price_for
from argosy.billing.rating import QUANTITIES, amounts, quantities, rate
from argosy.billing.recovery import Recovered, recover
from argosy.billing.shipper import Shipper
from argosy.billing.store import (
    current_prices,
    ensure_price,
    price_history,
    standing_price,
)
from argosy.billing.usage import Intent, UsageEvent

__all__ = [
    "INVOICED",
    "QUANTITIES",
    "RECEIVABLE",
    "REVENUE",
    "Entry",
    "Intent",
    "Journal",
    "Poster",
    "Price",
    "Recovered",
    "Shipper",
    "Tariff",
    "UsageEvent",
    "amounts",
    "balance",
    "balances",
    "current_prices",
    "ensure_price",
    "funds",
    "invoices",
    "list_entries",
    "post_events",
    "price_for",
    "price_history",
    "quantities",
    "rate",
    "record",
    "recover",
    "standing_price",
]
