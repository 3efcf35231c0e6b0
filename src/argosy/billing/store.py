"""SQL of prices and usage.

Invariants: a usage id is inserted once; nothing is updated.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import select, update

from argosy.billing.bulk import insert_rows
from argosy.billing.prices import Free, Price, Tariff, write_measured
from argosy.billing.rating import QUANTITIES, Rated
from argosy.billing.tables import meter_marks, price_versions, usage_events
from argosy.billing.usage import STORAGE, UsageEvent
from argosy.core import Invalid, new_id, now
from argosy.runtime import Transaction, bump_version, insert_once

_CAPPED = "cached_tokens"
_SAME = tuple(name for name in UsageEvent.__struct_fields__ if name != _CAPPED)
_USAGE_FIELDS = attrgetter(*_SAME)
_USAGE_COLUMNS = (*_SAME, _CAPPED, *(f"{name}_amount" for name in QUANTITIES), "saved_amount")
_TARIFF = ("currency", "input", "cached_input", "output", "training")


def ensure_price(tx: Transaction, model: str, tariff: Tariff, measured: Mapping[str, int] | None = None) -> str:
    """The id of the price version that is this tariff, made now unless the model's present price is the same.

    ``measured``: micro-units per million of what is counted besides tokens, by name; None leaves these as they are.

    Two processes may try at once: one of them inserts, the other finds it. Raises Invalid for a second currency: one
    platform keeps its books in one.
    """
    wanted = {name: getattr(tariff, name) for name in _TARIFF}
    if measured is not None:
        wanted["measured"] = write_measured(measured)
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
        if row is not None:
            wanted.setdefault("measured", row.measured)
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


def insert_usage(tx: Transaction, rated: Sequence[Rated]) -> set[str]:
    """Insert the usage rows, each with its amounts, whose id is new; returns the ids that were. Give them sorted by id,
    so that two never deadlock.
    """
    rows = [
        (*_USAGE_FIELDS(event), min(event.cached_tokens, event.prompt_tokens), *five, saved)
        for event, five, saved in rated
    ]
    return {row[0] for row in insert_rows(tx, usage_events.name, _USAGE_COLUMNS, rows, once="id")}


def unit_columns() -> dict[str, Any]:
    """Units of each of `QUANTITIES` of a usage row, as expressions over `usage_events`."""
    used = usage_events.c
    fresh = used.prompt_tokens - used.cached_tokens
    counts = (fresh, used.cached_tokens, used.completion_tokens, used.training_tokens, used.measured_units)
    return dict(zip(QUANTITIES, counts, strict=True))


def books_currency(tx: Transaction) -> str | None:
    """The currency of all prices; None as long as there is none."""
    found: str | None = tx.execute(select(price_versions.c.currency).limit(1)).scalar()
    return found


def storage_price(tx: Transaction) -> str | None:
    """The id of the present price of what is stored: nothing at first. None while the books have no currency."""
    currency = books_currency(tx)
    return None if currency is None else standing_price(tx, STORAGE, Free(currency))


def meter_mark(tx: Transaction, name: str) -> int | None:
    """Up to when (microseconds) a meter that goes by the clock has counted; None if it never did."""
    found: int | None = tx.execute(select(meter_marks.c.until_us).where(meter_marks.c.name == name)).scalar()
    return found


def move_meter_mark(tx: Transaction, name: str, until_us: int) -> None:
    """It has counted up to there; never back."""
    tx.execute(insert_once(tx, meter_marks).values(name=name, until_us=until_us))
    behind = (meter_marks.c.name == name) & (meter_marks.c.until_us < until_us)
    tx.execute(update(meter_marks).where(behind).values(until_us=until_us))
