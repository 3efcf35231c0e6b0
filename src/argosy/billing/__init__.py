"""Meter, rate, post, close: usage becomes money.

A journal that survives `kill -9` takes usage events in; `record` posts each one once, at the price that was valid when
it started, to a double-entry ledger in integer micro-units; `invoices` closes periods.
"""

from argosy.billing import corrections, credits, funds, invoices, reconciliation, shares, webhooks
from argosy.billing.journal import Journal
from argosy.billing.ledger import (
    INVOICED,
    PROVIDER_COST,
    PROVIDER_PAYABLE,
    RECEIVABLE,
    REVENUE,
    Entry,
    balance,
    balances,
    list_entries,
)
from argosy.billing.meter import record
from argosy.billing.poster import Poster
from argosy.billing.posting import post_events
from argosy.billing.prices import (
    Price,
    Tariff,
    Terms,
    Tier,
    books_currency,
    cost_history,
    current_costs,
    current_prices,
    ensure_cost,
    ensure_price,
    next_change,
    price_for,
    price_history,
    price_time,
    standing_cost,
    standing_price,
)
from argosy.billing.rating import QUANTITIES, amounts, quantities, rate
from argosy.billing.recovery import Recovered, recover
from argosy.billing.shipper import Shipper
from argosy.billing.store import meter_mark, move_meter_mark, storage_price
from argosy.billing.usage import (
    CHARACTERS,
    ENGINE,
    ENGINE_SECONDS,
    IMAGES,
    MEASURED,
    PER_REQUEST,
    STORAGE,
    STORAGE_MIB_HOURS,
    Intent,
    UsageEvent,
)

__all__ = [
    "CHARACTERS",
    "ENGINE",
    "ENGINE_SECONDS",
    "IMAGES",
    "INVOICED",
    "MEASURED",
    "PER_REQUEST",
    "PROVIDER_COST",
    "PROVIDER_PAYABLE",
    "QUANTITIES",
    "RECEIVABLE",
    "REVENUE",
    "STORAGE",
    "STORAGE_MIB_HOURS",
    "Entry",
    "Intent",
    "Journal",
    "Poster",
    "Price",
    "Recovered",
    "Shipper",
    "Tariff",
    "Terms",
    "Tier",
    "UsageEvent",
    "amounts",
    "balance",
    "balances",
    "books_currency",
    "corrections",
    "cost_history",
    "credits",
    "current_costs",
    "current_prices",
    "ensure_cost",
    "ensure_price",
    "funds",
    "invoices",
    "list_entries",
    "meter_mark",
    "move_meter_mark",
    "next_change",
    "post_events",
    "price_for",
    "price_history",
    "price_time",
    "quantities",
    "rate",
    "reconciliation",
    "record",
    "recover",
    "shares",
    "standing_cost",
    "standing_price",
    "storage_price",
    "webhooks",
]
