"""Closing: a period of an organization, added up into an invoice.

Usage never changes once it is posted, and postings are numbered in the order of their commits. So a closing first notes
the last number, then adds up without keeping anybody waiting, and takes the ledger's lock only to write the result.

Invariants: an event is on one invoice at most; an invoice's total is the sum of its lines and of its events' amounts; what
is due is exactly what its ledger transaction moves to `invoiced`; invoices are never changed; an organization's numbers
have no gaps. An event that arrives after its period was closed is on the next invoice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from argosy.billing import ledger
from argosy.billing.invoices import store
from argosy.billing.invoices.dues import due_of
from argosy.billing.invoices.profiles import profile_of
from argosy.billing.invoices.reading import invoice_of
from argosy.billing.invoices.records import Invoice, Span
from argosy.billing.invoices.sums import Sums
from argosy.billing.ledger import INVOICED, RECEIVABLE, ROUNDING, TAX, Entry
from argosy.billing.store import last_posting, prices_by_id
from argosy.core import Conflict, Invalid, new_id, now
from argosy.identity import list_projects, organization_of
from argosy.runtime import Database, Transaction


def close(
    database: Database, project_id: str, period_start: int | None = None, period_end: int | None = None
) -> Invoice:
    """Close a period of the organization that owns ``project_id``: by default, from the end of its last invoice to now.

    Closing the same period again returns its invoice. Raises Invalid for a period that is not over, Conflict if it
    overlaps with another one, if usage before it is on no invoice, or if there is nothing to invoice.
    """
    while True:
        with database.read() as tx:
            organization_id = organization_of(tx, project_id).id
            names = {project.id: project.name for project in list_projects(tx, project_id)}
            closed = store.last_closed(tx, organization_id)
            start = closed[0] if period_start is None else period_start
            end = now() + 1 if period_end is None else period_end
            if same := _checked(tx, organization_id, list(names), closed[0], start, end):
                return same
            span = Span(start, end, closed[1], last_posting(tx))
            sums = Sums()
            sums.add(store.totals(tx, list(names), span))
            if sums.any_fund:
                sums.add_payers(store.covered(tx, list(names), span))
        with database.write() as tx:
            head = ledger.lock(tx)
            if store.last_closed(tx, organization_id) == closed:
                return _write(tx, organization_id, names, span, sums, head)
        # Somebody else closed a period meanwhile: look again.


def _checked(
    tx: Transaction, organization_id: str, project_ids: Sequence[str], closed_end: int, start: int, end: int
) -> Invoice | None:
    """The invoice of this very period, if there is one. Raises unless the period can be the next one."""
    if start >= end:
        raise _nothing()
    if start < 0 or end > now() + 1:
        raise Invalid(
            "A period can be closed once it is over: its end must not lie in the future. Leave period_end out to close "
            "everything up to now.",
            code="period_not_over",
            param="period_end",
        )
    for row in store.overlapping(tx, organization_id, start, end):
        if (row.period_start, row.period_end) == (start, end):
            return invoice_of(tx, row)
        raise Conflict(
            f"The period overlaps with invoice {row.id}, which covers {row.period_start} to {row.period_end}.",
            code="period_overlaps",
            param="period_start",
        )
    if start < closed_end:
        raise Conflict(
            f"Everything before {closed_end} is closed. What is posted late for it comes on the next invoice: leave "
            "period_start out.",
            code="period_closed",
            param="period_start",
        )
    if store.used_between(tx, project_ids, closed_end, start):
        raise Conflict(
            f"There is usage before this period that is on no invoice. Close from {closed_end} on, or leave "
            "period_start out.",
            code="period_gap",
            param="period_start",
        )
    return None


def _write(
    tx: Transaction, organization_id: str, names: Mapping[str, str], span: Span, sums: Sums, head: Any
) -> Invoice:
    """Number it, write it and post it. The ledger is ours until the end of the transaction."""
    id_, project_ids = new_id("inv_"), list(names)
    store.claim_older(tx, project_ids, id_, span.end)
    sums.add(store.older_totals(tx, project_ids, id_))
    if sums.any_fund:
        sums.add_payers(store.older_covered(tx, project_ids, id_))
    prices = prices_by_id(tx, sums.price_versions)
    lines, shares = sums.lines(names, prices), sums.shares(names)
    if not lines:
        raise _nothing()
    currency = next(iter(prices.values())).currency
    profile = profile_of(tx, project_ids[0])
    due = due_of(sum(share.owed for share in shares), profile.tax_rate, currency)
    invoice = Invoice(
        id=id_,
        organization_id=organization_id,
        project_id="",
        number=store.next_number(tx, organization_id, "invoice"),
        period_start=span.start,
        period_end=span.end,
        posted_after=span.after,
        posted_upto=span.upto,
        currency=currency,
        total=sum(line.amount for line in lines),
        covered_credits=sums.credits,
        covered_prepaid=sums.prepaid,
        subtotal=due.subtotal,
        tax_name=profile.tax_name,
        tax_rate=profile.tax_rate,
        tax=due.tax,
        rounding=due.rounding,
        due=due.due,
        event_count=sum(share.event_count for share in shares),
        issuer=profile.issuer,
        customer=profile.customer,
        language=profile.language,
        anchor_block=head.number,
        anchor=head.hash,
        created_at=now(),
        lines=lines,
        shares=shares,
    )
    store.insert_invoice(tx, invoice)
    ledger.post(tx, _entries(invoice))
    return invoice


def _entries(invoice: Invoice) -> list[Entry]:
    """What was owed without an invoice is now owed by this one, and with it the tax and the rounding."""
    moves = [
        (share.project_id, share.owed, RECEIVABLE, str(number)) for number, share in enumerate(invoice.shares, 1)
    ]
    moves += [("", invoice.tax, TAX, TAX), ("", invoice.rounding, ROUNDING, ROUNDING)]
    return [
        Entry(invoice.id, account, project_id, signed, invoice.currency, "", name, None, invoice.organization_id)
        for project_id, amount, other, name in moves
        if amount
        for account, signed in ((INVOICED, amount), (other, -amount))
    ]


def _nothing() -> Conflict:
    return Conflict(
        "There is nothing to invoice: this period has no usage that is not on an invoice yet.",
        code="nothing_to_invoice",
    )
