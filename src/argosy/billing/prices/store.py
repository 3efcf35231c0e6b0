"""SQL of the price list: our own prices, and what providers ask.

Invariants: a version is added and never changed; no two of one model begin at the same time, save those that held at
once; all are in one currency, that of the books. Two processes may add at once: one inserts, the other finds it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Column, Row, Select, Table, func, select

from argosy.billing.prices.checks import check_date, check_name, check_terms, terms_of
from argosy.billing.prices.price import Price, Tariff, Terms, in_force, measured_of, measured_text, tiers_of, tiers_text
from argosy.billing.tables import cost_versions, price_versions
from argosy.billing.usage import PER_REQUEST
from argosy.core import Conflict, Invalid, SteadyClock, new_id, now
from argosy.runtime import Transaction, bump_version, insert_once

_CLOCK = SteadyClock()
"""One for the process: an older price never comes back into force in it, whatever the machine's clock does."""


class _List(NamedTuple):
    """A list of prices: its table, and what tells its ids from others."""

    table: Table
    prefix: str


_OURS = _List(price_versions, "price_")
_COSTS = _List(cost_versions, "cost_")


def price_time() -> int:
    """The time by which prices come into force, in unix seconds. It never steps back within a process."""
    return _CLOCK.now()


def ensure_price(tx: Transaction, model: str, tariff: Tariff, effective_from: int | None = None) -> str:
    """The id of the price version that is this tariff, made now unless there is the same.

    Without ``effective_from``, in unix seconds, it holds at once. Raises Invalid for a price that can be none, a date
    in the past, and a second currency: one platform keeps its books in one; Conflict where another price begins then.
    """
    return _ensure(tx, _OURS, {"model": model}, terms_of(tariff), effective_from)


def ensure_cost(tx: Transaction, provider: str, model: str, tariff: Tariff, effective_from: int | None = None) -> str:
    """The same of what a provider asks for a model's use."""
    check_name(provider, "provider")
    terms = terms_of(tariff)
    if terms.batch_discount is not None:
        raise Invalid(
            "What a provider asks has no batch_discount: lines of our batches are plain requests to it. Leave it out.",
            code="invalid_discount",
            param="batch_discount",
        )
    if others := set(terms.measured or ()) - set(PER_REQUEST):
        raise Invalid(
            f"A provider is owed nothing for {min(others)}: besides tokens it may ask for one of "
            f"{', '.join(PER_REQUEST)}.",
            code="unknown_meter",
            param="measured",
        )
    return _ensure(tx, _COSTS, {"provider": provider, "model": model}, terms, effective_from)


def standing_price(tx: Transaction, model: str, default: Tariff) -> str:
    """The id of the model's present price, whoever set it; without one, ``default`` becomes it. Raises Invalid."""
    found = _present(versions_of(tx, model))
    return found.id if found else ensure_price(tx, model, default)


def standing_cost(tx: Transaction, provider: str, model: str, default: Tariff) -> str | None:
    """The same of what a provider asks; None where there is no cost yet and the default is in another currency than
    the books.
    """
    found = _present(versions_of(tx, model, provider))
    if found:
        return found.id
    if books_currency(tx) not in (None, default.currency):
        return None
    return ensure_cost(tx, provider, model, default)


def current_prices(tx: Transaction) -> dict[str, Price]:
    """The present price of every model that has one. The platform's prices: they belong to no project."""
    return {model: price for (_, model), price in in_force(price_history(tx), price_time()).items()}


def current_costs(tx: Transaction) -> dict[tuple[str, str], Price]:
    """What providers ask at present, by provider and model."""
    return in_force(cost_history(tx), price_time())


def price_history(tx: Transaction) -> list[Price]:
    """Every version of every price, by model, oldest first; those to come are among them."""
    return _history(tx, _OURS)


def cost_history(tx: Transaction) -> list[Price]:
    """The same of what providers ask."""
    return _history(tx, _COSTS)


def versions_of(tx: Transaction, model: str, provider: str = "") -> list[Price]:
    """All versions of what we ask for one model, or a provider does, oldest first."""
    if provider:
        return _versions(tx, _COSTS, {"provider": provider, "model": model})
    return _versions(tx, _OURS, {"model": model})


def prices_by_id(tx: Transaction, ids: Iterable[str]) -> dict[str, Price]:
    """The price versions with these ids, those that exist."""
    return _by_id(tx, _OURS, ids)


def costs_by_id(tx: Transaction, ids: Iterable[str]) -> dict[str, Price]:
    """The same of costs; no query where no id is given."""
    wanted = {id_ for id_ in ids if id_}
    return _by_id(tx, _COSTS, wanted) if wanted else {}


def next_change(tx: Transaction) -> int | None:
    """When a price or cost comes into force next, in unix seconds; None if none is to."""
    at, dates = price_time(), []
    for table in (price_versions, cost_versions):
        later = select(func.min(table.c.effective_from)).where(
            table.c.effective_from > at, table.c.effective_from > table.c.created_at
        )
        dates.append(tx.execute(later).scalar())
    return min((date for date in dates if date is not None), default=None)


def books_currency(tx: Transaction) -> str | None:
    """The one currency of the books, set by the first price; None before it."""
    return next(iter(_currencies(tx)), None)


def _ensure(tx: Transaction, book: _List, key: dict[str, str], terms: Terms, effective_from: int | None) -> str:
    check_name(key["model"])
    check_terms(terms)
    _check_counted(tx, book, key["model"], terms)
    _check_currency(tx, key["model"], terms.currency)
    while True:
        versions = _versions(tx, book, key)
        if terms.measured is None:
            terms = replace(terms, measured=_measured_before(versions, effective_from))
        if found := _same(versions, terms, effective_from):
            return found.id
        made = now()
        if effective_from is None:
            present = _present(versions)
            made = max(price_time(), present.effective_from if present else 0)
        values: dict[str, Any] = {
            "id": new_id(book.prefix),
            **key,
            "version": max((price.version for price in versions), default=0) + 1,
            **{name: getattr(terms, name) for name in ("currency", "input", "cached_input", "output", "training")},
            "tiers": tiers_text(terms.tiers),
            "measured": measured_text(terms.measured or {}),
            "created_at": made,
            "effective_from": made if effective_from is None else effective_from,
        }
        if "batch_discount" in book.table.c:
            values["batch_discount"] = terms.batch_discount
        inserted = insert_once(tx, book.table).values(values).returning(book.table.c.id)
        if tx.execute(inserted).first() is not None:
            bump_version(tx)  # whoever changes prices waits here, so that a second currency is seen now if not before
            _check_currency(tx, key["model"], terms.currency)
            return str(values["id"])


def _same(versions: list[Price], terms: Terms, effective_from: int | None) -> Price | None:
    """The version that says all this already. Raises Invalid and Conflict for the date."""
    if effective_from is None:
        present = _present(versions)
        return present if present and terms_of(present) == terms else None
    there = [price for price in versions if price.effective_from == effective_from]
    if there and terms_of(there[-1]) == terms:
        return there[-1]
    check_date(effective_from, price_time())
    if there:
        raise Conflict(
            f"Another price of '{there[-1].model}' begins at {effective_from} already: version {there[-1].version}. "
            "Choose another time, or the same price.",
            code="dates_overlap",
            param="effective_from",
        )
    return None


def _check_counted(tx: Transaction, book: _List, model: str, terms: Terms) -> None:
    """A row of usage has one count besides tokens, so what we ask and what a provider asks have to go by the same."""
    counted = next((name for name in PER_REQUEST if name in (terms.measured or ())), "")
    if not counted:
        return
    others = current_costs(tx) if book is _OURS else current_prices(tx)
    found = {price.per_request for price in others.values() if price.model == model} - {"", counted}
    if found:
        raise Invalid(
            f"Requests of '{model}' are counted by {min(found)} already, on the other side of its price. Count both by "
            "the same.",
            code="two_meters",
            param="measured",
        )


def _measured_before(versions: list[Price], at: int | None) -> Mapping[str, int]:
    """What is asked for what is counted besides tokens by the version that holds until ``at``, or now."""
    before = in_force(versions, price_time() if at is None else at)
    return next((price.measured for price in before.values()), {})


def _check_currency(tx: Transaction, model: str, currency: str) -> None:
    if others := _currencies(tx) - {currency}:
        raise Invalid(
            f"The price of '{model}' is in {currency}, but this platform's books are in {min(others)}, the currency of "
            f"its first price, and stay in one. Convert it to {min(others)}.",
            code="currency_mismatch",
            param="currency",
        )


def _currencies(tx: Transaction) -> set[str]:
    found: set[str] = set()
    for table in (price_versions, cost_versions):
        found.update(tx.execute(select(table.c.currency).distinct()).scalars())
    return found


def _present(versions: list[Price]) -> Price | None:
    """The one of a model's versions that is in force."""
    return next(iter(in_force(versions, price_time()).values()), None)


def _versions(tx: Transaction, book: _List, key: dict[str, str]) -> list[Price]:
    """All versions of one model, oldest first."""
    statement: Select[Any] = select(book.table).order_by(book.table.c.version)
    for name, value in key.items():
        column: Column[Any] = book.table.c[name]
        statement = statement.where(column == value)
    return [_price(row) for row in tx.execute(statement)]


def _history(tx: Transaction, book: _List) -> list[Price]:
    columns = [book.table.c[name] for name in ("provider", "model", "version") if name in book.table.c]
    return [_price(row) for row in tx.execute(select(book.table).order_by(*columns))]


def _by_id(tx: Transaction, book: _List, ids: Iterable[str]) -> dict[str, Price]:
    return {row.id: _price(row) for row in tx.execute(select(book.table).where(book.table.c.id.in_(set(ids))))}


def _price(row: Row[Any]) -> Price:
    values = dict(row._mapping)
    begins = row.effective_from or row.created_at  # one that a process of the version before made held at once
    values |= {
        "tiers": tiers_of(row.tiers),
        "measured": measured_of(row.measured),
        "effective_from": begins,
    }
    return Price(**values)
