"""An invoice as CSV after RFC 4180, for spreadsheets: one row per line, and then those of the sum.

Names come from people. A cell that a spreadsheet would take for a formula gets an apostrophe before it, which such
programs take for "this is text"; numbers are written by us, and left as they are.
"""

import csv
import io

from argosy.billing.invoices.records import Invoice
from argosy.core import format_money

_COLUMNS = (
    "invoice", "number", "period_start", "period_end", "kind", "project_id", "project", "model", "quantity",
    "price_version", "units", "unit_price", "discount", "amount", "currency",
)  # fmt: skip
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def render_sheet(invoice: Invoice) -> str:
    """The sheet. Amounts are in the currency's unit with all six digits; ``kind`` tells lines and sums apart."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    head = (invoice.id, invoice.number, invoice.period_start, invoice.period_end)
    for line in invoice.lines:
        names = (line.project_id, line.project_name, line.model, line.quantity, line.price_version)
        numbers = (line.units, _plain(line.unit_price), line.discount, _plain(line.amount))
        writer.writerow((*head, "line", *map(plain_text, names), *numbers, invoice.currency))
    for kind, amount in (
        ("total", invoice.total),
        ("covered_credits", -invoice.covered_credits),
        ("covered_prepaid", -invoice.covered_prepaid),
        ("subtotal", invoice.subtotal),
        ("tax", invoice.tax),
        ("rounding", invoice.rounding),
        ("due", invoice.due),
    ):
        writer.writerow((*head, kind, *[""] * 8, _plain(amount), invoice.currency))
    return text.getvalue()


def plain_text(cell: str) -> str:
    """The cell, so that no spreadsheet runs it."""
    return f"'{cell}" if cell.startswith(_STARTS) else cell


def _plain(micro: int) -> str:
    return format_money(micro, "").rstrip()
