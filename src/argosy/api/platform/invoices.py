"""``/v1/invoices``: close a period, list invoices, show one as JSON or as a page."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from argosy.api.billing_scope import flush_usage, visible_project
from argosy.api.context import BillingCaller, PlatformParts
from argosy.billing import invoices
from argosy.billing.invoices import Invoice, InvoiceLine
from argosy.core import format_money
from argosy.identity import find_project

router = APIRouter(prefix="/v1/invoices", tags=["billing"])

ProjectId = Annotated[str | None, Query(description="Another project of the organization; administrators only.")]


class Period(BaseModel):
    """The period to close, in unix seconds. By default: from the end of the last invoice to now."""

    model_config = ConfigDict(extra="forbid")

    period_start: int | None = Field(default=None, ge=0)
    period_end: int | None = Field(default=None, ge=1)
    project_id: str | None = None


@router.post("")
def close_period(body: Period, parts: PlatformParts, caller: BillingCaller) -> dict[str, Any]:
    """Close a period into an invoice. Asking for the same period again returns the same invoice."""
    flush_usage(parts)
    with parts.database.write() as tx:
        project = visible_project(tx, caller, body.project_id)
        return _wire(invoices.close(tx, project, body.period_start, body.period_end))


@router.get("")
def list_invoices(
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The project's invoices, newest first."""
    with parts.database.read() as tx:
        project = visible_project(tx, caller, project_id)
        found = invoices.list_invoices(tx, project, after=after, limit=limit + 1)
    data = [_wire(invoice) for invoice in found[:limit]]
    ids = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, **ids, "has_more": len(found) > limit}


# Declared before the JSON route, whose pattern would take the name with its ending for an id.
@router.get("/{invoice_id}.html", response_class=HTMLResponse)
def show_page(
    invoice_id: str,
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    lang: Literal["en", "zh"] = "en",
) -> HTMLResponse:
    """One invoice as a self-contained page, in English or Chinese."""
    with parts.database.read() as tx:
        invoice = invoices.get_invoice(tx, visible_project(tx, caller, project_id), invoice_id)
        name = find_project(tx, caller.project_id, invoice.project_id).name
    return HTMLResponse(invoices.render_page(invoice, name, lang))


@router.get("/{invoice_id}")
def get_invoice(
    invoice_id: str, parts: PlatformParts, caller: BillingCaller, project_id: ProjectId = None
) -> dict[str, Any]:
    """One invoice."""
    with parts.database.read() as tx:
        return _wire(invoices.get_invoice(tx, visible_project(tx, caller, project_id), invoice_id))


def _wire(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "object": "invoice",
        "number": invoice.number,
        "project_id": invoice.project_id,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "currency": invoice.currency,
        "total": invoice.total,
        "total_text": format_money(invoice.total, invoice.currency),
        "covered": invoice.covered,
        "due": invoice.due,
        "event_count": invoice.event_count,
        "created_at": invoice.created_at,
        "lines": [_line(line) for line in invoice.lines],
    }


def _line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "model": line.model,
        "quantity": line.quantity,
        "units": line.units,
        "unit_price": line.unit_price,
        "price_version": line.price_version,
        "discount": line.discount,
        "tier": line.tier,
        "amount": line.amount,
    }
