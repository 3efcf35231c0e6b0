"""SQL of invoices. Rows are added and never changed, save the counter that numbers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Row, exists, func, insert, literal, or_, select, update

from argosy.billing.ledger import CREDITS, PREPAID
from argosy.billing.rating import QUANTITIES
from argosy.billing.store import unit_columns
from argosy.billing.tables import (
    invoice_items,
    invoice_lines,
    invoice_series,
    invoices,
    ledger_entries,
    price_versions,
    usage_events,
)
from argosy.runtime import Transaction, insert_once

if TYPE_CHECKING:
    from argosy.billing.invoices.closing import Invoice

InvoiceRow: TypeAlias = Row[Any]
"""A row of `invoices`."""
_MICRO = 1_000_000


def lock_series(tx: Transaction, project_id: str) -> int:
    """The last invoice number of the project, 0 before the first. Others who close a period wait until we commit."""
    owned = invoice_series.c.project_id == project_id
    tx.execute(insert_once(tx, invoice_series).values(project_id=project_id, last=0))
    tx.execute(update(invoice_series).where(owned).values(last=invoice_series.c.last))
    return int(tx.execute(select(invoice_series.c.last).where(owned)).scalar_one())


def last_period_end(tx: Transaction, project_id: str) -> int:
    """Where the project's last closed period ends, in unix seconds; 0 before the first."""
    ends = select(func.max(invoices.c.period_end)).where(invoices.c.project_id == project_id)
    return tx.execute(ends).scalar() or 0


def overlapping(tx: Transaction, project_id: str, start: int, end: int) -> Sequence[InvoiceRow]:
    """The project's invoices whose periods share a second with this one."""
    shared = (invoices.c.period_start < end) & (invoices.c.period_end > start)
    return tx.execute(select(invoices).where(invoices.c.project_id == project_id, shared)).all()


def claim_events(tx: Transaction, project_id: str, invoice_id: str, start: int, end: int) -> int:
    """Put the period's events on the invoice, and those of closed periods that came too late for theirs; how many."""
    finished = usage_events.c.finished_us
    closed = exists().where(
        invoices.c.project_id == project_id,
        invoices.c.period_start * _MICRO <= finished,
        invoices.c.period_end * _MICRO > finished,
    )
    due = (
        select(usage_events.c.id, literal(invoice_id))
        .where(usage_events.c.project_id == project_id, finished < end * _MICRO)
        .where(or_(finished >= start * _MICRO, closed))
        .where(~exists().where(invoice_items.c.usage_id == usage_events.c.id))
    )
    tx.execute(insert(invoice_items).from_select(["usage_id", "invoice_id"], due))
    claimed = select(func.count()).select_from(invoice_items).where(invoice_items.c.invoice_id == invoice_id)
    return int(tx.execute(claimed).scalar_one())


def claimed_totals(tx: Transaction, project_id: str, invoice_id: str) -> Sequence[Row[Any]]:
    """Units and amounts of the claimed events by model, price version, tier, discount and what was measured, with the
    unit prices of no tier, and the tiers.
    """
    used = usage_events.c
    sums = [func.sum(units).label(f"{name}_units") for name, units in unit_columns().items()]
    sums += [func.sum(used[f"{name}_amount"]).label(f"{name}_amount") for name in QUANTITIES]
    unit_prices = [price_versions.c[name].label(f"{name}_price") for name in QUANTITIES]
    pinned = (used.model, used.price_version, used.tier, used.discount, used.measured)
    keys = [
        *pinned,
        price_versions.c.currency,
        price_versions.c.tiers,
        *(price_versions.c[name] for name in QUANTITIES),
    ]
    return tx.execute(
        select(*pinned, price_versions.c.currency, price_versions.c.tiers, *unit_prices, *sums)
        .join(invoice_items, invoice_items.c.usage_id == used.id)
        .join(price_versions, price_versions.c.id == used.price_version)
        .where(invoice_items.c.invoice_id == invoice_id, used.project_id == project_id)
        .group_by(*keys)
        .order_by(*pinned)
    ).all()


def insert_invoice(tx: Transaction, invoice: Invoice) -> None:
    """The invoice with its lines, and its number as the last one given out."""
    values = {column.name: getattr(invoice, column.name) for column in invoices.c}
    tx.execute(insert(invoices).values(values))
    lines = [
        {"invoice_id": invoice.id, "position": position} | {name: getattr(line, name) for name in type(line).__slots__}
        for position, line in enumerate(invoice.lines)
    ]
    tx.execute(insert(invoice_lines), lines)
    owned = invoice_series.c.project_id == invoice.project_id
    tx.execute(update(invoice_series).where(owned).values(last=invoice.number))


def select_invoices(
    tx: Transaction, project_id: str, *, invoice_id: str | None, after: str | None, limit: int
) -> Sequence[InvoiceRow]:
    """The project's invoices, newest first; only this one, or those beyond ``after``."""
    statement = select(invoices).where(invoices.c.project_id == project_id)
    if invoice_id is not None:
        statement = statement.where(invoices.c.id == invoice_id)
    if after is not None:
        before = select(invoices.c.number).where(invoices.c.project_id == project_id, invoices.c.id == after)
        statement = statement.where(invoices.c.number < before.scalar_subquery())
    return tx.execute(statement.order_by(invoices.c.number.desc()).limit(limit)).all()


def covered(tx: Transaction, project_id: str, invoice_id: str) -> int:
    """What credits and money that was paid ahead have paid of an invoice's usage, in micro-units."""
    paid = (ledger_entries.c.project_id == project_id) & ledger_entries.c.account.in_((CREDITS, PREPAID))
    total = (
        select(func.coalesce(func.sum(ledger_entries.c.amount), 0))
        .join(invoice_items, invoice_items.c.usage_id == ledger_entries.c.usage_id)
        .where(paid, invoice_items.c.invoice_id == invoice_id)
    )
    return int(tx.execute(total).scalar_one())


def select_lines(tx: Transaction, project_id: str, invoice_id: str) -> Sequence[Row[Any]]:
    """The lines of one invoice of the project, in order."""
    columns = [column for column in invoice_lines.c if column.name not in ("invoice_id", "position")]
    return tx.execute(
        select(*columns)
        .join(invoices, invoices.c.id == invoice_lines.c.invoice_id)
        .where(invoices.c.project_id == project_id, invoices.c.id == invoice_id)
        .order_by(invoice_lines.c.position)
    ).all()
