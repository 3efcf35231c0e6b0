"""The price list: what is asked for a model's use, what providers ask for it, and from when on.

A price is a version that is never changed. Which one is in force is a question of time alone: it is pinned on a request
when that begins. Beside it stands the cost, pinned and posted likewise, so that the margin is in the books.
"""

from argosy.billing.prices.importing import Step, import_prices
from argosy.billing.prices.price import Price, Tariff, Terms, Tier, in_force, measured_of, price_for, tier_rates
from argosy.billing.prices.reading import Row, read_date, read_prices
from argosy.billing.prices.store import (
    books_currency,
    cost_history,
    costs_by_id,
    current_costs,
    current_prices,
    ensure_cost,
    ensure_price,
    next_change,
    price_history,
    price_time,
    prices_by_id,
    standing_cost,
    standing_price,
    versions_of,
)

__all__ = [
    "Price",
    "Row",
    "Step",
    "Tariff",
    "Terms",
    "Tier",
    "books_currency",
    "cost_history",
    "costs_by_id",
    "current_costs",
    "current_prices",
    "ensure_cost",
    "ensure_price",
    "import_prices",
    "in_force",
    "measured_of",
    "next_change",
    "price_for",
    "price_history",
    "price_time",
    "prices_by_id",
    "read_date",
    "read_prices",
    "standing_cost",
    "standing_price",
    "tier_rates",
    "versions_of",
]
