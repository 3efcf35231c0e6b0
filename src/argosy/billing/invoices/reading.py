"""Reading invoices, whole or as far as they are about one project."""

from dataclasses import replace
from typing import Any

import msgspec

from argosy.billing.invoices import store
from argosy.billing.invoices.records import Invoice, InvoiceLine, Party, ProjectShare
from argosy.core import NotFound
from argosy.identity import organization_of
from argosy.runtime import Transaction


def get_invoice(tx: Transaction, project_id: str, invoice_id: str, *, only_project: str | None = None) -> Invoice:
    """One invoice of the organization that owns ``project_id``; with ``only_project``, that project's part of it.

    Raises NotFound, also if that project has no part of it.
    """
    organization_id = organization_of(tx, project_id).id
    rows = store.select_invoices(tx, organization_id, invoice_id=invoice_id, project_id=only_project)
    if not rows:
        raise NotFound(
            f"There is no invoice '{invoice_id}' here. GET /v1/invoices lists them.", code="invoice_not_found"
        )
    return _part(invoice_of(tx, rows[0]), only_project)


def list_invoices(
    tx: Transaction, project_id: str, *, only_project: str | None = None, after: str | None = None, limit: int = 20
) -> list[Invoice]:
    """The invoices of the organization that owns ``project_id``, newest first, from beyond the invoice with the id
    ``after`` on; with ``only_project``, that project's parts of them.
    """
    organization_id = organization_of(tx, project_id).id
    rows = store.select_invoices(tx, organization_id, project_id=only_project, after=after, limit=limit)
    return [_part(invoice_of(tx, row), only_project) for row in rows]


def invoice_of(tx: Transaction, row: Any) -> Invoice:
    """The invoice of a row of `invoices`."""
    values = dict(row._mapping)
    for name in ("issuer", "customer"):
        values[name] = msgspec.json.decode(values[name], type=Party)
    lines = tuple(InvoiceLine(**line._mapping) for line in store.select_lines(tx, row.organization_id, row.id))
    shares = tuple(ProjectShare(**share._mapping) for share in store.select_shares(tx, row.organization_id, row.id))
    return Invoice(**values, lines=lines, shares=shares)


def _part(invoice: Invoice, project_id: str | None) -> Invoice:
    """Only what is one project's. Tax and rounding are of the whole, and not told of a part."""
    if project_id is None:
        return invoice
    (share,) = (share for share in invoice.shares if share.project_id == project_id)
    return replace(
        invoice,
        lines=tuple(line for line in invoice.lines if line.project_id == project_id),
        shares=(share,),
        total=share.total,
        event_count=share.event_count,
        subtotal=share.owed,
        covered_credits=share.covered_credits,
        covered_prepaid=share.covered_prepaid,
        tax=0,
        rounding=0,
        due=0,
        part_of=project_id,
    )
