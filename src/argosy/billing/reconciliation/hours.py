"""Hour by hour and model by model: do the usage rows, the ledger and the pinned prices say the same?

Each row is held against its own entries and its own price, so that two errors never hide each other: the difference of
an hour is the sum of what its rows are apart. Expected zero.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from argosy.billing.prices import prices_by_id
from argosy.billing.rating import QUANTITIES, amounts
from argosy.billing.reconciliation import store
from argosy.billing.usage import UsageEvent
from argosy.core import now
from argosy.runtime import Database, Transaction

HOUR = 3_600
_MICRO = 1_000_000
_ROWS_MAX = 20

NOT_POSTED = "The row has no ledger entries although it costs something: its transaction was cut in two, or entries were deleted. 'argosy ledger verify' tells which."  # noqa: E501
LEDGER_DIFFERS = "The ledger's entries say another amount than the row: one of them was changed after it was posted. 'argosy ledger verify' tells whether it was the ledger."  # noqa: E501
PRICE_DIFFERS = "The row's amounts are not its units at its pinned price: the row or the price version was changed after it was rated, or another version of the program rated it."  # noqa: E501
NO_PRICE = "The price version that the row names is not there any more."


@dataclass
class Reconciled:
    """One hour of one model. Amounts are micro-units."""

    hour: int
    """When it began, in unix seconds."""
    model: str
    events: int = 0
    usage_amount: int = 0
    ledger_amount: int = 0
    rated_amount: int = 0
    difference: int = 0
    rows: list[str] = field(default_factory=list)
    """Ids of usage rows that differ, the first twenty."""
    causes: list[str] = field(default_factory=list)
    """What may have led to it."""

    def differs(self, row_id: str, by: int, cause: str) -> None:
        """Note that a row is apart from something."""
        self.difference += by
        if row_id not in self.rows and len(self.rows) < _ROWS_MAX:
            self.rows.append(row_id)
        if cause not in self.causes:
            self.causes.append(cause)


def reconcile(database: Database, since: int, until: int | None = None) -> list[Reconciled]:
    """Compare the hours from ``since`` to ``until`` (now), and publish what was found. Posting goes on meanwhile: the
    lock that writers take is held only to write the result.
    """
    with database.read() as tx:
        found = compare(tx, since, until)
    with database.write() as tx:
        publish(tx, since, until, found)
    return found


def compare(tx: Transaction, since: int, until: int | None = None) -> list[Reconciled]:
    """All hours from that of ``since`` to that of ``until`` (now) in which something was used, in order. In bounded
    memory. A row and its entries are committed together, so who sees a row sees its entries.
    """
    start, end = _hours(since, until)
    found: dict[tuple[int, str], Reconciled] = {}
    for project_id in store.projects_with_usage(tx):
        for page in store.usage_pages(tx, project_id, start * _MICRO, end * _MICRO):
            _compare(tx, project_id, page, found)
    return [found[key] for key in sorted(found)]


def publish(tx: Transaction, since: int, until: int | None, found: Sequence[Reconciled]) -> None:
    """Put this in the place of what was found before about the same hours."""
    texts = ({"rows": json.dumps(one.rows), "causes": json.dumps(one.causes), "created_at": now()} for one in found)
    rows = [{**vars(one), **text} for one, text in zip(found, texts, strict=True)]
    store.replace_reconciliations(tx, *_hours(since, until), rows)


def published(tx: Transaction, since: int) -> list[Reconciled]:
    """What was found about the hours since then."""
    found = []
    for row in store.select_reconciliations(tx, since // HOUR * HOUR):
        values: dict[str, Any] = dict(row._mapping)
        values.pop("created_at")
        found.append(Reconciled(**values | {name: json.loads(values[name]) for name in ("rows", "causes")}))
    return found


def _hours(since: int, until: int | None) -> tuple[int, int]:
    """Where the first one begins, and where the last one ends."""
    return since // HOUR * HOUR, ((until or now()) // HOUR + 1) * HOUR


def _compare(
    tx: Transaction, project_id: str, page: Sequence[store.UsageRow], found: dict[tuple[int, str], Reconciled]
) -> None:
    prices = prices_by_id(tx, {row.price_version for row in page})
    posted = store.ledger_sums(tx, project_id, [row.id for row in page])
    for row in page:
        key = row.finished_us // (HOUR * _MICRO) * HOUR, row.model
        one = found.get(key) or found.setdefault(key, Reconciled(*key))
        price = prices.get(row.price_version)
        charged = [getattr(row, f"{name}_amount") for name in QUANTITIES]
        rated = amounts(cast(UsageEvent, row), price) if price else (0,) * len(QUANTITIES)
        total, entered = sum(charged), posted.get(row.id, 0)
        one.events += 1
        one.usage_amount += total
        one.ledger_amount += entered
        one.rated_amount += sum(rated)
        if total != entered:
            one.differs(row.id, abs(total - entered), LEDGER_DIFFERS if row.id in posted else NOT_POSTED)
        if apart := sum(abs(a - b) for a, b in zip(charged, rated, strict=True)):
            one.differs(row.id, apart, PRICE_DIFFERS if price else NO_PRICE)
