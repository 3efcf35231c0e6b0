"""SQL of invoices. Rows are added and never changed, save the counters that number them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Row, exists, func, insert, literal, select, update

from argosy.billing.corrections.tables import ledger_corrections
from argosy.billing.ledger import CORRECTION, CREDITS, PREPAID
from argosy.billing.rating import QUANTITIES
from argosy.billing.store import unit_columns
from argosy.billing.tables import (
    invoice_items,
    invoice_lines,
    invoice_projects,
    invoice_series,
    invoices,
    ledger_entries,
    usage_events,
)
from argosy.runtime import Transaction, insert_once

if TYPE_CHECKING:
    from argosy.billing.invoices.records import Invoice, Span

InvoiceRow: TypeAlias = Row[Any]
"""A row of `invoices`."""
_MICRO = 1_000_000
_used = usage_events.c
_THEIRS = func.coalesce(_used.project_id, "")
"""The project, in a form that no index serves: where another index finds the few rows that are wanted."""


def next_number(tx: Transaction, organization_id: str, kind: str) -> int:
    """The organization's next number of a document. Others who number one wait until we commit."""
    owned = (invoice_series.c.owner == organization_id) & (invoice_series.c.kind == kind)
    tx.execute(insert_once(tx, invoice_series).values(owner=organization_id, kind=kind, last=0))
    counted = update(invoice_series).where(owned).values(last=invoice_series.c.last + 1)
    return int(tx.execute(counted.returning(invoice_series.c.last)).scalar_one())


def last_closed(tx: Transaction, organization_id: str) -> tuple[int, int]:
    """Where the organization's closed periods end, in unix seconds, and the last posting that is on an invoice."""
    ends = select(func.max(invoices.c.period_end), func.max(invoices.c.posted_upto))
    end, posted = tx.execute(ends.where(invoices.c.organization_id == organization_id)).one()
    return end or 0, posted or 0


def overlapping(tx: Transaction, organization_id: str, start: int, end: int) -> Sequence[InvoiceRow]:
    """The organization's invoices whose periods share a second with this one."""
    shared = (invoices.c.period_start < end) & (invoices.c.period_end > start)
    owned = (invoices.c.organization_id == organization_id) & (invoices.c.project_id == "")
    return tx.execute(select(invoices).where(owned, shared)).all()


def used_between(tx: Transaction, project_ids: Sequence[str], start: int, end: int) -> bool:
    """Whether anything of these projects finished in that time."""
    finished = (_used.finished_us >= start * _MICRO) & (_used.finished_us < end * _MICRO)
    found = select(literal(1)).where(_used.project_id.in_(project_ids), finished).limit(1)
    return tx.execute(found).first() is not None


def totals(tx: Transaction, project_ids: Sequence[str], span: Span) -> list[Row[Any]]:
    """Counts, units and amounts of the span's events, by project, model, price version, tier, discount, what was
    measured and whether a fund pays; the late ones apart.
    """
    return [row for part in _parts(project_ids, span) for row in tx.execute(_sums().where(*part)).all()]


def covered(tx: Transaction, project_ids: Sequence[str], span: Span) -> list[Row[Any]]:
    """Who paid for those of the span's events that have a fund: project, account and micro-units."""
    return [row for part in _parts(project_ids, span) for row in tx.execute(_payers().where(*part)).all()]


def corrections(tx: Transaction, project_ids: Sequence[str], span: Span) -> list[Row[Any]]:
    """What the span's corrections of usage gave back, in the entries' signs: by project, account, model and price."""
    entry = ledger_entries.c
    keys = (entry.project_id, entry.account, entry.model, _used.price_version)
    given_back = (
        select(*keys, func.count().label("corrections"), func.sum(entry.amount).label("amount"))
        .join(ledger_corrections, ledger_corrections.c.id == entry.transaction_id)
        .join(usage_events, _used.id == entry.usage_id)
        .where(ledger_corrections.c.posted > span.after, ledger_corrections.c.posted <= span.upto)
        .where(entry.project_id.in_(project_ids), entry.account.in_((CORRECTION, CREDITS, PREPAID)))
        .group_by(*keys)
    )
    return list(tx.execute(given_back).all())


def claim_older(tx: Transaction, project_ids: Sequence[str], invoice_id: str, end: int) -> int:
    """Put on the invoice, one by one, what finished before ``end``, does not say where it was posted and is on none
    yet; returns how many.
    """
    due = select(_used.id, literal(invoice_id)).where(
        _used.posted == 0,
        _used.finished_us < end * _MICRO,
        _THEIRS.in_(project_ids),
        ~exists().where(invoice_items.c.usage_id == _used.id),
    )
    return int(tx.execute(insert(invoice_items).from_select(["usage_id", "invoice_id"], due)).rowcount)


def older_totals(tx: Transaction, project_ids: Sequence[str], invoice_id: str) -> list[Row[Any]]:
    """As `totals`, of what `claim_older` claimed."""
    return list(tx.execute(_sums().where(*_claimed(project_ids, invoice_id))).all())


def older_covered(tx: Transaction, project_ids: Sequence[str], invoice_id: str) -> list[Row[Any]]:
    """As `covered`, of what `claim_older` claimed."""
    return list(tx.execute(_payers().where(*_claimed(project_ids, invoice_id))).all())


def insert_invoice(tx: Transaction, invoice: Invoice) -> None:
    """The invoice with its lines and shares."""
    values = {column.name: getattr(invoice, column.name) for column in invoices.c}
    parties = {name: msgspec.json.encode(values[name]).decode() for name in ("issuer", "customer")}
    tx.execute(insert(invoices).values(values | parties))
    lines = [{"position": position, **asdict(line)} for position, line in enumerate(invoice.lines)]
    for table, rows in ((invoice_lines, lines), (invoice_projects, [asdict(share) for share in invoice.shares])):
        if rows:
            tx.execute(insert(table), [{"invoice_id": invoice.id, **row} for row in rows])


def select_invoices(
    tx: Transaction,
    organization_id: str,
    *,
    invoice_id: str | None = None,
    project_id: str | None = None,
    after: str | None = None,
    limit: int = 1,
) -> Sequence[InvoiceRow]:
    """The organization's invoices, newest first: this one, those with a project's usage, those beyond ``after``."""
    statement = select(invoices).where(invoices.c.organization_id == organization_id)
    if invoice_id is not None:
        statement = statement.where(invoices.c.id == invoice_id)
    if project_id is not None:
        theirs = select(invoice_projects.c.invoice_id).where(invoice_projects.c.project_id == project_id)
        statement = statement.where(invoices.c.id.in_(theirs))
    place = (invoices.c.period_end, invoices.c.id)
    if after is not None:
        cursor = tx.execute(
            select(*place).where(invoices.c.organization_id == organization_id, invoices.c.id == after)
        ).one_or_none()
        if cursor is None:
            return []
        end, id_ = cursor
        earlier = (invoices.c.period_end < end) | ((invoices.c.period_end == end) & (invoices.c.id < id_))
        statement = statement.where(earlier)
    return tx.execute(statement.order_by(*(column.desc() for column in place)).limit(limit)).all()


def select_lines(tx: Transaction, organization_id: str, invoice_id: str) -> Sequence[Row[Any]]:
    """The lines of one invoice of the organization, in order."""
    columns = [column for column in invoice_lines.c if column.name not in ("invoice_id", "position")]
    owned = (invoices.c.organization_id == organization_id) & (invoices.c.id == invoice_id)
    statement = select(*columns).join(invoices, invoices.c.id == invoice_lines.c.invoice_id).where(owned)
    return tx.execute(statement.order_by(invoice_lines.c.position)).all()


def select_shares(tx: Transaction, organization_id: str, invoice_id: str) -> Sequence[Row[Any]]:
    """What each project has of one invoice of the organization."""
    columns = [column for column in invoice_projects.c if column.name != "invoice_id"]
    owned = (invoices.c.organization_id == organization_id) & (invoices.c.id == invoice_id)
    statement = select(*columns).join(invoices, invoices.c.id == invoice_projects.c.invoice_id).where(owned)
    return tx.execute(statement.order_by(invoice_projects.c.project_name, invoice_projects.c.project_id)).all()


def _parts(project_ids: Sequence[str], span: Span) -> tuple[tuple[ColumnElement[bool], ...], ...]:
    """The span in two, each as an index serves it: what finished in the period, and what came late for an earlier."""
    start, end = span.start * _MICRO, span.end * _MICRO
    in_time = (_used.finished_us >= start, _used.finished_us < end, _used.posted > 0, _used.posted <= span.upto)
    late = (_used.posted > span.after, _used.posted <= span.upto, _used.finished_us < start)
    in_period = (_used.project_id.in_(project_ids), *in_time)
    return (in_period, (_THEIRS.in_(project_ids), *late)) if span.start else (in_period,)


def _claimed(project_ids: Sequence[str], invoice_id: str) -> tuple[ColumnElement[bool], ...]:
    items = select(invoice_items.c.usage_id).where(invoice_items.c.invoice_id == invoice_id)
    return _used.id.in_(items), _THEIRS.in_(project_ids)


def _sums() -> Any:
    sums = [func.sum(units).label(f"{name}_units") for name, units in unit_columns().items()]
    sums += [func.sum(_used[f"{name}_amount"]).label(f"{name}_amount") for name in QUANTITIES]
    pinned = (_used.project_id, _used.model, _used.price_version, _used.tier, _used.discount, _used.measured)
    has_fund = (_used.fund != "").label("has_fund")
    return select(*pinned, has_fund, func.count().label("events"), *sums).group_by(*pinned, has_fund)


def _payers() -> Any:
    paid = ledger_entries.c.account
    keys = (_used.project_id, paid)
    return (
        select(*keys, func.sum(ledger_entries.c.amount).label("amount"))
        .join(ledger_entries, ledger_entries.c.transaction_id == _used.id)
        .where(_used.fund != "", paid.in_((CREDITS, PREPAID)))
        .group_by(*keys)
    )
