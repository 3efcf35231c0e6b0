"""Invoices, credit notes and payments as JSON. Amounts are micro-units, times are unix seconds."""

from typing import Any

from argosy.billing.invoices import CreditNote, Invoice, InvoiceLine, Party, Payment, ProjectShare, Standing
from argosy.core import format_due, format_money


def invoice(found: Invoice, standing: Standing | None) -> dict[str, Any]:
    """A whole invoice with its ``standing``; or a project's part of one, which says nothing of what is of the whole."""
    shown = {
        "id": found.id,
        "object": "invoice",
        "number": found.number,
        "organization_id": found.organization_id,
        "project_id": found.part_of or found.project_id or None,
        "period_start": found.period_start,
        "period_end": found.period_end,
        "currency": found.currency,
        "total": found.total,
        "total_text": format_money(found.total, found.currency),
        "covered": found.covered,
        "covered_credits": found.covered_credits,
        "covered_prepaid": found.covered_prepaid,
        "subtotal": found.subtotal,
        "event_count": found.event_count,
        "created_at": found.created_at,
        "lines": [_line(line) for line in found.lines],
        "projects": [_share(share) for share in found.shares],
    }
    return shown if standing is None else shown | _whole(found, standing)


def _whole(found: Invoice, standing: Standing) -> dict[str, Any]:
    return {
        "tax_name": found.tax_name,
        "tax_rate": found.tax_rate,
        "tax": found.tax,
        "rounding": found.rounding,
        "due": found.due,
        "due_text": format_due(found.due, found.currency),
        "status": standing.status,
        "paid": standing.paid,
        "credited": standing.credited,
        "left": standing.left,
        "issuer": party(found.issuer),
        "customer": party(found.customer),
        "language": found.language,
        "anchor": {"block": found.anchor_block, "hash": found.anchor} if found.anchor else None,
    }


def _line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "project_id": line.project_id,
        "project": line.project_name,
        "model": line.model,
        "quantity": line.quantity,
        "units": line.units,
        "unit_price": line.unit_price,
        "price_version": line.price_version,
        "discount": line.discount,
        "tier": line.tier,
        "amount": line.amount,
    }


def _share(share: ProjectShare) -> dict[str, Any]:
    return {
        "project_id": share.project_id,
        "project": share.project_name,
        "event_count": share.event_count,
        "total": share.total,
        "covered_credits": share.covered_credits,
        "covered_prepaid": share.covered_prepaid,
        "owed": share.owed,
    }


def party(one: Party) -> dict[str, str]:
    """Who issues or pays."""
    return {"name": one.name, "address": one.address, "tax_id": one.tax_id}


def credit_note(note: CreditNote) -> dict[str, Any]:
    """A credit note: ``net + tax + rounding == amount``."""
    return {
        "id": note.id,
        "object": "credit_note",
        "number": note.number,
        "invoice_id": note.invoice_id,
        "currency": note.currency,
        "net": note.net,
        "tax": note.tax,
        "rounding": note.rounding,
        "amount": note.amount,
        "amount_text": format_due(note.amount, note.currency),
        "reason": note.reason,
        "lines": [{"position": line.position, "amount": line.amount} for line in note.lines],
        "created_at": note.created_at,
    }


def payment(paid: Payment) -> dict[str, Any]:
    """A payment."""
    return {
        "id": paid.id,
        "object": "payment",
        "invoice_id": paid.invoice_id,
        "currency": paid.currency,
        "amount": paid.amount,
        "reference": paid.reference,
        "created_at": paid.created_at,
    }
