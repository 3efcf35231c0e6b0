"""``/v1/invoices``: close a period of the organization, read its invoices, take some back, note what was paid.

An invoice is the whole organization's, so only administrators close, credit and pay. Other keys that may read bills see
their own project's part of each. Amounts are integers in micro-units.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from argosy.api.billing_scope import flush_usage, visible_project
from argosy.api.context import AdminCaller, BillingCaller, PlatformParts
from argosy.api.platform import invoice_wire as wire
from argosy.billing import invoices
from argosy.billing.invoices import CreditedLine, Invoice
from argosy.core import Invalid, NotFound
from argosy.identity import Caller
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/invoices", tags=["billing"])

ProjectId = Annotated[
    str | None,
    Query(description="Only this project's part of each. Other keys than administrators' see only their own."),
]
Lang = Annotated[
    Literal["en", "zh"] | None, Query(description="By default the language of the organization's profile.")
]
Form = Literal["json", "html", "pdf", "csv"]
_Amount = Annotated[StrictInt, Field(ge=1, le=10**18)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
_Reference = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Period(BaseModel):
    """The period to close, in unix seconds. By default: from the end of the last invoice to now."""

    model_config = ConfigDict(extra="forbid")

    period_start: int | None = Field(default=None, ge=0, le=10**11)
    period_end: int | None = Field(default=None, ge=1, le=10**11)


class LineCredit(BaseModel):
    """What is to be taken back of one line."""

    model_config = ConfigDict(extra="forbid")

    position: Annotated[StrictInt, Field(ge=0, le=10**6)]
    """Of the line on the invoice, from 0 on."""
    amount: _Amount
    """Micro-units, before tax."""


class NewCreditNote(BaseModel):
    """What is to be taken back: an amount that can be paid, tax included; or some of its lines, before tax."""

    model_config = ConfigDict(extra="forbid")

    reason: _Text
    amount: _Amount | None = None
    lines: Annotated[list[LineCredit], Field(max_length=1_000)] = []
    idempotency_key: _Key | None = None
    """Of your choice: asking twice with one key makes one note."""


class NewPayment(BaseModel):
    """Money that came in for an invoice."""

    model_config = ConfigDict(extra="forbid")

    amount: _Amount
    reference: _Reference
    """The bank's or the sender's own: told twice, it is one payment."""


@router.post("")
def close_period(body: Period, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Close a period of the organization into an invoice. Asking for the same period again returns the same invoice."""
    flush_usage(parts)
    made = invoices.close(parts.database, caller.project_id, body.period_start, body.period_end)
    with parts.database.read() as tx:
        return _shown(tx, made)


@router.get("")
def list_invoices(
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The organization's invoices, newest first; for others than administrators, their project's parts of them."""
    with parts.database.read() as tx:
        only = _only(tx, caller, project_id)
        found = invoices.list_invoices(tx, caller.project_id, only_project=only, after=after, limit=limit + 1)
        data = [_shown(tx, invoice) for invoice in found[:limit]]
    ids = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, **ids, "has_more": len(found) > limit}


@router.get("/{invoice_id}", response_model=None)
def get_invoice(
    invoice_id: str,
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    form: Annotated[Form | None, Query(alias="format")] = None,
    lang: Lang = None,
) -> dict[str, Any] | Response:
    """One invoice as JSON; or, with an ending such as ``.pdf`` or by ``format``, as a page, a PDF or a CSV."""
    id_, _, ending = invoice_id.partition(".")
    if ending and ending not in ("json", "html", "pdf", "csv"):
        raise Invalid(f"An invoice has no form '{ending[:20]}'. Ask for json, html, pdf or csv.", code="invalid_format")
    with parts.database.read() as tx:
        only = _only(tx, caller, project_id)
        invoice = invoices.get_invoice(tx, caller.project_id, id_, only_project=only)
        if (form or ending or "json") == "json":
            return _shown(tx, invoice)
    return _document(invoice, form or ending, lang or invoice.language)


@router.post("/{invoice_id}/credit_notes")
def create_credit_note(
    invoice_id: str, body: NewCreditNote, parts: PlatformParts, caller: AdminCaller
) -> dict[str, Any]:
    """Take back some of an invoice, which itself never changes: a document of its own, with its own ledger entries."""
    with parts.database.write() as tx:
        note = invoices.credit(
            tx,
            caller.project_id,
            invoice_id,
            body.reason,
            amount=body.amount,
            lines=[CreditedLine(line.position, line.amount) for line in body.lines],
            idempotency_key=body.idempotency_key,
        )
    return wire.credit_note(note)


@router.get("/{invoice_id}/credit_notes")
def list_credit_notes(invoice_id: str, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """The invoice's credit notes, oldest first."""
    with parts.database.read() as tx:
        found = invoices.standing_of(tx, invoices.get_invoice(tx, caller.project_id, invoice_id)).notes
    return {"object": "list", "data": [wire.credit_note(note) for note in found], "has_more": False}


@router.get("/{invoice_id}/credit_notes/{note_id}", response_model=None)
def get_credit_note(
    invoice_id: str, note_id: str, parts: PlatformParts, caller: AdminCaller, lang: Lang = None
) -> dict[str, Any] | Response:
    """One credit note as JSON; or, with the ending ``.pdf``, as a PDF."""
    id_, _, ending = note_id.partition(".")
    if ending not in ("", "json", "pdf"):
        raise Invalid("A credit note has the forms json and pdf.", code="invalid_format")
    with parts.database.read() as tx:
        invoice = invoices.get_invoice(tx, caller.project_id, invoice_id)
        found = next((note for note in invoices.standing_of(tx, invoice).notes if note.id == id_), None)
    if found is None:
        raise NotFound(
            f"This invoice has no credit note '{id_[:60]}'. GET /v1/invoices/{invoice.id}/credit_notes lists them.",
            code="credit_note_not_found",
        )
    if ending != "pdf":
        return wire.credit_note(found)
    headers = {"content-disposition": f'attachment; filename="credit-note-{found.number:06d}.pdf"'}
    content = invoices.print_pdf(invoice, lang or invoice.language, found)
    return Response(content, media_type="application/pdf", headers=headers)


@router.post("/{invoice_id}/payments")
def create_payment(invoice_id: str, body: NewPayment, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Note that money came in for an invoice. The same reference again is the same payment."""
    with parts.database.write() as tx:
        return wire.payment(invoices.pay(tx, caller.project_id, invoice_id, body.amount, body.reference))


@router.get("/{invoice_id}/payments")
def list_payments(invoice_id: str, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """The invoice's payments, oldest first."""
    with parts.database.read() as tx:
        found = invoices.standing_of(tx, invoices.get_invoice(tx, caller.project_id, invoice_id)).payments
    return {"object": "list", "data": [wire.payment(payment) for payment in found], "has_more": False}


def _only(tx: Transaction, caller: Caller, project_id: str | None) -> str | None:
    """Whose part of invoices is to be seen; None for the whole."""
    whole = project_id is None and caller.may("admin")
    return None if whole else visible_project(tx, caller, project_id)


def _shown(tx: Transaction, invoice: Invoice) -> dict[str, Any]:
    """As JSON: whole with what was settled of it, a part without."""
    standing = None if invoice.part_of else invoices.standing_of(tx, invoice)
    return wire.invoice(invoice, standing)


def _document(invoice: Invoice, form: str, language: str) -> Response:
    if form == "html":
        return HTMLResponse(invoices.render_page(invoice, language))
    name = f"invoice-{invoice.number:06d}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        return Response(invoices.render_sheet(invoice), media_type="text/csv", headers=headers)
    return Response(invoices.print_pdf(invoice, language), media_type="application/pdf", headers=headers)
