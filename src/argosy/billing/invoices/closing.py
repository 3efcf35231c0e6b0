"""Closing: a period of an organization, added up into an invoice.

Usage never changes once it is posted, and postings are numbered in the order in which they are committed. So a closing
first notes the last number, then adds up what was posted up to it without keeping anybody waiting, and takes the
ledger's lock only to write the result.

Invariants: an event is on one invoice at most, and so is a correction; an invoice's total is the sum of its lines; what
is due is exactly what its ledger transaction moves to `invoiced`; invoices are never changed; an organization's numbers
have no gaps. An event that arrives after its period was closed is on the next invoice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from argosy.billing import ledger
from argosy.billing.invoices import store
from argosy.billing.invoices.dues import due_of
from argosy.billing.invoices.profiles import profile_of
from argosy.billing.invoices.reading import invoice_of
from argosy.billing.invoices.records import Invoice, Span
from argosy.billing.invoices.sums import Sums
from argosy.billing.ledger import INVOICED, RECEIVABLE, ROUNDING, TAX, Entry, Head
from argosy.billing.prices import Price, prices_by_id
from argosy.billing.store import last_posting
from argosy.core import Conflict, Invalid, format_money, new_id, now
from argosy.identity import list_projects, organization_of
from argosy.runtime import Database, Transaction


@dataclass(frozen=True, slots=True)
class _Draft:
    """What was added up, to be written if nobody closed a period meanwhile."""

    organization_id: str
    names: Mapping[str, str]
    """Of the organization's projects, by id."""
    closed: tuple[int, int]
    """What `store.last_closed` said."""
    span: Span
    sums: Sums


def close(
    database: Database, project_id: str, period_start: int | None = None, period_end: int | None = None
) -> Invoice:
    """Close a period of the organization that owns ``project_id``: by default, from the end of its last invoice to now.
    Times are unix seconds.

    Closing the same period again returns its invoice. Raises Invalid for a period that is not over; Conflict if it
    overlaps with another one, if usage before it is on no invoice, if there is nothing to invoice, if more was given
    back than used, and for two currencies.
    """
    while True:
        with database.read() as tx:
            drawn = _draw(tx, project_id, period_start, period_end)
        if isinstance(drawn, Invoice):
            return drawn
        with database.write() as tx:
            head = ledger.lock(tx)
            if store.last_closed(tx, drawn.organization_id) == drawn.closed:
                return _write(tx, project_id, drawn, head)
        # Somebody else closed a period meanwhile: look again.


def _draw(tx: Transaction, project_id: str, period_start: int | None, period_end: int | None) -> _Draft | Invoice:
    """Add up the period; or the invoice of this very period, if there is one."""
    upto = last_posting(tx)  # first: what was posted up to it was used by projects that are there when they are read
    organization_id = organization_of(tx, project_id).id
    names = {project.id: project.name for project in list_projects(tx, project_id)}
    closed = store.last_closed(tx, organization_id)
    start = closed[0] if period_start is None else period_start
    end = now() + 1 if period_end is None else period_end
    if period_start is None and period_end is None and end < start:
        raise _clock_behind(start)
    if same := _checked(tx, organization_id, list(names), closed[0], start, end):
        return same
    span = Span(start, end, closed[1], upto)
    sums = Sums()
    sums.add(store.totals(tx, list(names), span))
    sums.add_corrections(store.corrections(tx, list(names), span))
    if sums.any_fund:
        sums.add_payers(store.covered(tx, list(names), span))
    return _Draft(organization_id, names, closed, span, sums)


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


def _write(tx: Transaction, project_id: str, draft: _Draft, head: Head) -> Invoice:
    """Number it, write it and post it. The ledger is ours until the end of the transaction."""
    id_, span, sums, names = new_id("inv_"), draft.span, draft.sums, draft.names
    if store.claim_older(tx, list(names), id_, span.end):
        sums.add(store.older_totals(tx, list(names), id_))
        if sums.any_fund:
            sums.add_payers(store.older_covered(tx, list(names), id_))
    prices = prices_by_id(tx, sums.price_versions)
    lines, shares = sums.lines(names, prices), sums.shares(names)
    if not lines:
        raise _nothing()
    currency = _one_currency(prices)
    profile = profile_of(tx, project_id)
    subtotal = sum(share.owed for share in shares)
    if subtotal < 0:
        raise _negative(-subtotal, currency)
    due = due_of(subtotal, profile.tax_rate, currency)
    invoice = Invoice(
        id=id_,
        organization_id=draft.organization_id,
        project_id="",
        number=store.next_number(tx, draft.organization_id, "invoice"),
        period_start=span.start,
        period_end=span.end,
        posted_after=span.after,
        posted_upto=span.upto,
        currency=currency,
        total=sum(line.amount for line in lines),
        covered_credits=sum(share.covered_credits for share in shares),
        covered_prepaid=sum(share.covered_prepaid for share in shares),
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
    moves = [(share.project_id, share.owed, RECEIVABLE, str(number)) for number, share in enumerate(invoice.shares, 1)]
    moves += [("", invoice.tax, TAX, TAX), ("", invoice.rounding, ROUNDING, ROUNDING)]
    return [
        Entry(invoice.id, account, project_id, signed, invoice.currency, "", name, None, invoice.organization_id)
        for project_id, amount, other, name in moves
        if amount
        for account, signed in ((INVOICED, amount), (other, -amount))
    ]


def _one_currency(prices: Mapping[str, Price]) -> str:
    """Prices are kept to one currency; should there be two in the books all the same, no sum is made of them."""
    currencies = sorted({price.currency for price in prices.values()})
    if len(currencies) > 1:
        raise Conflict(
            f"The period has amounts in {' and '.join(currencies)}, which no invoice adds up. Close a shorter period, "
            "one for each currency.",
            code="mixed_currencies",
            param="period_end",
        )
    return currencies[0]


def _nothing() -> Conflict:
    return Conflict(
        "There is nothing to invoice: this period has no usage that is not on an invoice yet.",
        code="nothing_to_invoice",
    )


def _clock_behind(start: int) -> Conflict:
    return Conflict(
        f"The last invoice ends at {start}, and this machine's clock is not there yet: it was set back. Close again "
        "once it is; what is used until then comes on the next invoice.",
        code="clock_behind",
    )


def _negative(amount: int, currency: str) -> Conflict:
    return Conflict(
        f"In this period {format_money(amount, currency)} more was given back than used, and an invoice never asks for "
        "less than nothing. Nothing is lost: close a longer period, and what was given back is taken off there.",
        code="negative_invoice",
        param="period_end",
    )
