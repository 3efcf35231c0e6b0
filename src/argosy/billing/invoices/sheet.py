"""An invoice as CSV after RFC 4180, for spreadsheets: one row per line, and then those of the sum.

Names come from people, so each is made plain; numbers are written by us, and left as they are.
"""

import csv
import io

from argosy.billing.cells import plain_cell
from argosy.billing.invoices.records import Invoice
from argosy.billing.invoices.words import number_text

_COLUMNS = (
    "invoice", "number", "period_start", "period_end", "kind", "project_id", "project", "model", "quantity",
    "price_version", "tier", "units", "unit_price", "discount", "amount", "currency",
)  # fmt: skip
_OF_A_LINE = 9
"""How many columns are between ``kind`` and ``amount``."""


def render_sheet(invoice: Invoice) -> str:
    """The sheet. Amounts are in the currency's unit with all six digits; ``kind`` tells lines and sums apart."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    head = (invoice.id, invoice.number, invoice.period_start, invoice.period_end)
    for line in invoice.lines:
        names = (line.project_id, line.project_name, line.model, line.quantity, line.price_version)
        numbers = (line.tier, line.units, number_text(line.unit_price), line.discount, number_text(line.amount))
        writer.writerow((*head, "line", *map(plain_cell, names), *numbers, invoice.currency))
    for kind, amount in _sums(invoice):
        writer.writerow((*head, kind, *[""] * _OF_A_LINE, number_text(amount), invoice.currency))
    return text.getvalue()


def _sums(invoice: Invoice) -> list[tuple[str, int]]:
    """Each step from the lines to what is due, in micro-units; of a part, as far as it goes."""
    steps = [
        ("total", invoice.total),
        ("covered_credits", -invoice.covered_credits),
        ("covered_prepaid", -invoice.covered_prepaid),
        ("subtotal", invoice.subtotal),
    ]
    if not invoice.part_of:
        steps += [("tax", invoice.tax), ("rounding", invoice.rounding), ("due", invoice.due)]
    return steps
