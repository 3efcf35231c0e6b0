"""Invoices: a closed period of a project, added up.

Invariants: an event is on one invoice at most; an invoice's total is the sum of its lines and of its events' amounts,
and less what credits have paid it is what its ledger transaction moves from `receivable` to `invoiced`; invoices are
never changed; numbers of a project have no gaps. An event that arrives after its period was closed is on the next one.
"""

from dataclasses import dataclass, replace

from argosy.billing import ledger
from argosy.billing.invoices import store
from argosy.billing.ledger import INVOICED, RECEIVABLE, Entry
from argosy.billing.prices import measured_of, tier_rates
from argosy.billing.rating import MEASURED_QUANTITY, QUANTITIES, quantity_name
from argosy.core import Conflict, Invalid, NotFound, new_id, now
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What was used of one model in one quantity at one price, in one of its tiers, with one discount."""

    model: str
    quantity: str
    """One of `argosy.billing.QUANTITIES`, or the name of what was measured."""
    price_version: str
    units: int
    unit_price: int
    """Micro-units per million units, before the discount."""
    amount: int
    """Micro-units: the sum of the events' amounts, each rounded on its own, so not always units times price."""
    discount: int = 0
    """Percent off the price."""
    tier: int = 0
    """The tier whose rate the unit price is, by the tokens of prompt above which it holds; 0 for none."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """A closed period. Times are unix seconds: ``period_start`` is in it, ``period_end`` is not."""

    id: str
    project_id: str
    number: int
    period_start: int
    period_end: int
    currency: str
    total: int
    """Micro-units."""
    event_count: int
    created_at: int
    lines: tuple[InvoiceLine, ...]
    covered: int = 0
    """What of the total was paid by credits and ahead, in micro-units."""

    @property
    def due(self) -> int:
        """What is left to pay, in micro-units."""
        return self.total - self.covered


def close(tx: Transaction, project_id: str, period_start: int | None = None, period_end: int | None = None) -> Invoice:
    """Close a period. By default it reaches from the end of the last invoice to now.

    Closing the same period again returns its invoice. Raises Invalid for a period that is not over, Conflict if it
    overlaps with another one or if there is nothing to invoice.
    """
    number = store.lock_series(tx, project_id) + 1
    start = store.last_period_end(tx, project_id) if period_start is None else period_start
    end = now() + 1 if period_end is None else period_end
    _check(start, end)
    if same := _existing(tx, project_id, start, end):
        return same
    id_ = new_id("inv_")
    event_count = store.claim_events(tx, project_id, id_, start, end)
    lines, currency = _lines(tx, project_id, id_)
    if not lines:
        raise _nothing()
    total = sum(line.amount for line in lines)
    invoice = Invoice(id_, project_id, number, start, end, currency, total, event_count, now(), tuple(lines))
    invoice = replace(invoice, covered=store.covered(tx, project_id, id_))
    store.insert_invoice(tx, invoice)
    _post(tx, invoice)
    return invoice


def get_invoice(tx: Transaction, project_id: str, invoice_id: str) -> Invoice:
    """One invoice of the project. Raises NotFound."""
    rows = store.select_invoices(tx, project_id, invoice_id=invoice_id, after=None, limit=1)
    if not rows:
        raise NotFound(
            f"There is no invoice '{invoice_id}' in this project. GET /v1/invoices lists them.",
            code="invoice_not_found",
        )
    return _with_lines(tx, rows[0])


def list_invoices(tx: Transaction, project_id: str, *, after: str | None = None, limit: int = 20) -> list[Invoice]:
    """The project's invoices, newest first, from beyond the invoice with the id ``after`` on."""
    rows = store.select_invoices(tx, project_id, invoice_id=None, after=after, limit=limit)
    return [_with_lines(tx, row) for row in rows]


def _check(start: int, end: int) -> None:
    if start >= end:
        raise _nothing()
    if start < 0 or end > now() + 1:
        raise Invalid(
            "A period can be closed once it is over: its end must not lie in the future. Leave period_end out to close "
            "everything up to now.",
            code="period_not_over",
            param="period_end",
        )


def _existing(tx: Transaction, project_id: str, start: int, end: int) -> Invoice | None:
    """The invoice of this very period, if there is one. Raises Conflict if another one overlaps."""
    for row in store.overlapping(tx, project_id, start, end):
        if (row.period_start, row.period_end) == (start, end):
            return _with_lines(tx, row)
        raise Conflict(
            f"The period overlaps with invoice {row.id}, which covers {row.period_start} to {row.period_end}.",
            code="period_overlaps",
            param="period_start",
        )
    return None


def _lines(tx: Transaction, project_id: str, invoice_id: str) -> tuple[list[InvoiceLine], str]:
    """The lines of what was claimed, and their currency."""
    lines: dict[tuple[str, str, str, int, int], InvoiceLine] = {}
    currency = ""
    for row in store.claimed_totals(tx, project_id, invoice_id):
        currency = row.currency
        tier = tier_rates(row.tiers, row.tier)
        for name in QUANTITIES:
            units, amount = int(getattr(row, f"{name}_units")), int(getattr(row, f"{name}_amount"))
            if units:
                unit_price = tier.get(name, getattr(row, f"{name}_price"))
                if name == MEASURED_QUANTITY:
                    unit_price = measured_of(unit_price).get(row.measured, 0)
                quantity = quantity_name(name, row.measured)
                place = (row.model, quantity, row.price_version, row.discount, row.tier)
                if before := lines.get(place):  # tokens beside one measured quantity, and beside another or none
                    units, amount = units + before.units, amount + before.amount
                pinned = (row.price_version, units, unit_price, amount, row.discount, row.tier)
                lines[place] = InvoiceLine(row.model, quantity, *pinned)
    return list(lines.values()), currency


def _post(tx: Transaction, invoice: Invoice) -> None:
    """What was owed without an invoice is now owed by this one."""
    moves = ((INVOICED, invoice.due), (RECEIVABLE, -invoice.due))
    entries = [Entry(invoice.id, account, invoice.project_id, amount, invoice.currency) for account, amount in moves]
    ledger.post(tx, entries if invoice.due else [])


def _with_lines(tx: Transaction, row: store.InvoiceRow) -> Invoice:
    lines = tuple(InvoiceLine(**line._mapping) for line in store.select_lines(tx, row.project_id, row.id))
    return Invoice(**row._mapping, lines=lines, covered=store.covered(tx, row.project_id, row.id))


def _nothing() -> Conflict:
    return Conflict(
        "There is nothing to invoice: this period has no usage that is not on an invoice yet.",
        code="nothing_to_invoice",
    )
