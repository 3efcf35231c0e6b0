"""A statement as CSV (RFC 4180), whose cells no spreadsheet takes for formulas."""

import csv
import io
import time
from collections.abc import Iterator

from argosy.billing.cells import plain_cell
from argosy.billing.shares.statement import Statement

_COLUMNS = (
    "kind",
    "model",
    "rule",
    "version",
    "events",
    "tokens",
    "revenue",
    "amount",
    "currency",
    "id",
    "time",
    "note",
)


def to_csv(statement: Statement) -> str:
    """One row for each line, the opening and the closing. Amounts are micro-units; those in ``amount`` add up."""
    written = io.StringIO()
    sheet = csv.DictWriter(written, _COLUMNS, restval="", lineterminator="\r\n")
    sheet.writeheader()
    for row in _rows(statement):
        sheet.writerow({name: _cell(value) for name, value in {**row, "currency": statement.currency}.items()})
    return written.getvalue()


def _rows(statement: Statement) -> Iterator[dict[str, object]]:
    yield {"kind": "opening", "amount": statement.opening, "time": _time(statement.period_start)}
    for line in statement.earned:
        counts = {"events": line.events, "tokens": line.tokens, "revenue": line.revenue}
        yield {
            "kind": "share",
            "model": line.model,
            "rule": line.rule,
            "version": line.version,
            **counts,
            "amount": line.share,
        }
    for back in statement.taken_back:
        named = {"model": back.model, "rule": back.rule, "version": back.version}
        yield {"kind": "correction", **named, "events": back.corrections, "amount": back.share}
    for moved in statement.movements:
        kind = "payout" if moved.amount < 0 else "payout taken back"
        yield {
            "kind": kind,
            "id": moved.id,
            "time": _time(moved.created_at),
            "amount": moved.amount,
            "note": moved.note,
        }
    yield {"kind": "closing", "amount": statement.closing, "time": _time(statement.period_end)}


def _cell(value: object) -> object:
    """Numbers as they are, also below zero; texts so that no spreadsheet runs them."""
    return plain_cell(value) if isinstance(value, str) else value


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
