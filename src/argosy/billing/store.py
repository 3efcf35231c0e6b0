"""SQL of usage.

Invariants: a usage id is inserted once; nothing is updated, save the counter of postings.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import select, update

from argosy.billing.bulk import insert_rows
from argosy.billing.prices import Terms, books_currency, standing_price
from argosy.billing.rating import QUANTITIES, Rated
from argosy.billing.tables import meter_marks, postings, usage_events
from argosy.billing.usage import STORAGE, UsageEvent
from argosy.runtime import Transaction, insert_once

_CAPPED = "cached_tokens"
_SAME = tuple(name for name in UsageEvent.__struct_fields__ if name not in (_CAPPED, "held"))
_USAGE_FIELDS = attrgetter(*_SAME)
_USAGE_COLUMNS = (
    *_SAME,
    _CAPPED,
    *(f"{name}_amount" for name in QUANTITIES),
    "saved_amount",
    "tier",
    "cost_amount",
    "posted",
)


def next_posting(tx: Transaction) -> int:
    """The number of this posting of usage or of a correction. Under the ledger's lock, so that numbers are committed in
    their order: whoever reads one with `last_posting` finds all of the postings up to it, and none comes later.
    """
    count = update(postings).where(postings.c.id == 1).values(last=postings.c.last + 1).returning(postings.c.last)
    number = tx.execute(count).scalar()
    if number is None:
        tx.execute(insert_once(tx, postings).values(id=1, last=0))
        number = tx.execute(count).scalar_one()
    return int(number)


def last_posting(tx: Transaction) -> int:
    """The number of the last posting that is over; 0 before the first."""
    return tx.execute(select(postings.c.last)).scalar() or 0


def insert_usage(tx: Transaction, rated: Sequence[Rated], posting: int) -> set[str]:
    """Insert the usage rows, each with its amounts, whose id is new; returns the ids that were. Give them sorted by id,
    so that two never deadlock. ``posting`` is their `next_posting`.
    """
    rows = [
        (*_USAGE_FIELDS(event), min(event.cached_tokens, event.prompt_tokens), *five, *others, posting)
        for event, five, *others in rated
    ]
    return {row[0] for row in insert_rows(tx, usage_events.name, _USAGE_COLUMNS, rows, once="id")}


def unit_columns() -> dict[str, Any]:
    """Units of each of `QUANTITIES` of a usage row, as expressions over `usage_events`."""
    used = usage_events.c
    fresh = used.prompt_tokens - used.cached_tokens
    counts = (fresh, used.cached_tokens, used.completion_tokens, used.training_tokens, used.measured_units)
    return dict(zip(QUANTITIES, counts, strict=True))


def storage_price(tx: Transaction) -> str | None:
    """The id of the present price of what is stored: nothing at first. None while the books have no currency."""
    currency = books_currency(tx)
    return None if currency is None else standing_price(tx, STORAGE, Terms(currency, 0, 0, 0))


def meter_mark(tx: Transaction, name: str) -> int | None:
    """Up to when (microseconds) a meter that goes by the clock has counted; None if it never did."""
    found: int | None = tx.execute(select(meter_marks.c.until_us).where(meter_marks.c.name == name)).scalar()
    return found


def move_meter_mark(tx: Transaction, name: str, until_us: int) -> None:
    """It has counted up to there; never back."""
    tx.execute(insert_once(tx, meter_marks).values(name=name, until_us=until_us))
    behind = (meter_marks.c.name == name) & (meter_marks.c.until_us < until_us)
    tx.execute(update(meter_marks).where(behind).values(until_us=until_us))
