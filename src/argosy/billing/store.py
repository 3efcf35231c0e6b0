"""SQL of prices and usage.

Invariants: a usage id is inserted once; nothing is updated, save the counter of postings.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import select, update

from argosy.billing.bulk import insert_rows
from argosy.billing.prices import Price, Tariff
from argosy.billing.rating import QUANTITIES, Rated
from argosy.billing.tables import price_versions, usage_events, usage_postings
from argosy.billing.usage import UsageEvent
from argosy.core import Invalid, new_id, now
from argosy.runtime import Transaction, bump_version, insert_once

_CAPPED = "cached_tokens"
_SAME = tuple(name for name in UsageEvent.__struct_fields__ if name != _CAPPED)
_USAGE_FIELDS = attrgetter(*_SAME)
_USAGE_COLUMNS = (*_SAME, _CAPPED, *(f"{name}_amount" for name in QUANTITIES), "saved_amount", "posted")
_TARIFF = ("currency", "input", "cached_input", "output", "training")


def ensure_price(tx: Transaction, model: str, tariff: Tariff) -> str:
    """The id of the price version that is this tariff, made now unless the model's present price is the same.

    Two processes may try at once: one of them inserts, the other finds it. Raises Invalid for a second currency: one
    platform keeps its books in one.
    """
    wanted = {name: getattr(tariff, name) for name in _TARIFF}
    other = select(price_versions.c.currency).where(price_versions.c.currency != tariff.currency).limit(1)
    if currency := tx.execute(other).scalar():
        raise Invalid(
            f"The price of '{model}' is in {tariff.currency}, but this platform's books are in {currency}. Convert it.",
            code="currency_mismatch",
        )
    while True:
        latest = select(price_versions).where(price_versions.c.model == model).order_by(price_versions.c.version.desc())
        row = tx.execute(latest.limit(1)).one_or_none()
        if row is not None and all(getattr(row, name) == value for name, value in wanted.items()):
            return str(row.id)
        version = 1 if row is None else row.version + 1
        values = {"id": new_id("price_"), "model": model, "version": version, "created_at": now(), **wanted}
        made = insert_once(tx, price_versions).values(values).returning(price_versions.c.id)
        if tx.execute(made).first() is not None:
            bump_version(tx)


def standing_price(tx: Transaction, model: str, default: Tariff) -> str:
    """The id of the model's present price, whoever set it; without one, ``default`` becomes it. Raises Invalid."""
    latest = select(price_versions.c.id).where(price_versions.c.model == model)
    found = tx.execute(latest.order_by(price_versions.c.version.desc()).limit(1)).scalar()
    return str(found) if found is not None else ensure_price(tx, model, default)


def current_prices(tx: Transaction) -> dict[str, Price]:
    """The present price of every model that has one. The platform's prices: they belong to no project."""
    rows = tx.execute(select(price_versions).order_by(price_versions.c.model, price_versions.c.version))
    return {row.model: Price(**row._mapping) for row in rows}


def price_history(tx: Transaction) -> list[Price]:
    """Every version of every price, oldest first."""
    rows = tx.execute(select(price_versions).order_by(price_versions.c.model, price_versions.c.version))
    return [Price(**row._mapping) for row in rows]


def prices_by_id(tx: Transaction, ids: set[str]) -> dict[str, Price]:
    """The price versions with these ids, those that exist."""
    rows = tx.execute(select(price_versions).where(price_versions.c.id.in_(ids)))
    return {row.id: Price(**row._mapping) for row in rows}


def next_posting(tx: Transaction) -> int:
    """The number of this posting of usage. Others who post wait until it is over, so that numbers are committed in
    their order: whoever reads one with `last_posting` sees all usage of the postings up to it, and none comes later.
    """
    count = update(usage_postings).where(usage_postings.c.id == 1).values(last=usage_postings.c.last + 1)
    number = tx.execute(count.returning(usage_postings.c.last)).scalar()
    if number is None:
        tx.execute(insert_once(tx, usage_postings).values(id=1, last=0))
        number = tx.execute(count.returning(usage_postings.c.last)).scalar_one()
    return int(number)


def last_posting(tx: Transaction) -> int:
    """The number of the last posting of usage that is over; 0 before the first."""
    return tx.execute(select(usage_postings.c.last)).scalar() or 0


def insert_usage(tx: Transaction, rated: Sequence[Rated], posting: int) -> set[str]:
    """Insert the usage rows, each with its amounts, whose id is new; returns the ids that were. Give them sorted by id,
    so that two never deadlock.
    """
    rows = [
        (*_USAGE_FIELDS(event), min(event.cached_tokens, event.prompt_tokens), *four, saved, posting)
        for event, four, saved in rated
    ]
    return {row[0] for row in insert_rows(tx, usage_events.name, _USAGE_COLUMNS, rows, once="id")}


def unit_columns() -> dict[str, Any]:
    """Units of each of `QUANTITIES` of a usage row, as expressions over `usage_events`."""
    used = usage_events.c
    counts = (used.prompt_tokens - used.cached_tokens, used.cached_tokens, used.completion_tokens, used.training_tokens)
    return dict(zip(QUANTITIES, counts, strict=True))
