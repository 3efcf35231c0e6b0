"""What an invoice says as texts in a language: the same on the page and in the PDF. Pure."""

from typing import NamedTuple

from argosy.billing.invoices.records import CORRECTED, Invoice, InvoiceLine, Party
from argosy.billing.invoices.settlement.records import CreditNote
from argosy.billing.invoices.words import WORDS, grouped, number_text, rate_text, time_text
from argosy.core import format_due, format_money

Words = dict[str, str]

COLUMNS = ("project", "model", "quantity", "units", "unit_price", "amount")
"""Of the lines, by their words; from `FIRST_NUMBER` on they are numbers."""
FIRST_NUMBER = 3


class Row(NamedTuple):
    """A line of the invoice as texts, in the order of `COLUMNS`."""

    project: str
    model: str
    quantity: str
    units: str
    unit_price: str
    amount: str
    detail: str
    """What is to be said below the quantity: a tier, a discount; or nothing."""


def words_of(language: str) -> Words:
    """The words of one of `LANGUAGES`. Raises KeyError for another."""
    return WORDS[language]


def title(invoice: Invoice, words: Words) -> str:
    """The document's name."""
    return f"{words['title']} {invoice.number:06d}"


def note_title(note: CreditNote, words: Words) -> str:
    """The name of a credit note."""
    return f"{words['credit_note']} {note.number:06d}"


def note_facts(note: CreditNote, invoice: Invoice, words: Words) -> list[tuple[str, str]]:
    """What stands above a credit note's lines."""
    found = {
        "number": f"{note.number:06d} · {note.id}",
        "of_invoice": f"{invoice.number:06d} · {invoice.id}",
        "issued": time_text(note.created_at),
        "currency": note.currency,
        "reason": note.reason,
    }
    return [(words[name], text) for name, text in found.items()]


def note_rows(note: CreditNote, invoice: Invoice, words: Words) -> list[Row]:
    """What is taken back of each of the invoice's lines; of units nothing can be said, as only money goes back."""
    return [
        row(invoice.lines[taken.position], words)._replace(
            units="", unit_price="", amount=grouped(number_text(taken.amount))
        )
        for taken in note.lines
    ]


def note_sums(note: CreditNote, invoice: Invoice, words: Words) -> list[tuple[str, str]]:
    """From what is taken back of the lines to what is credited; the last is that."""
    steps = [(words["taken_back"], note.net), (tax_name(invoice, words), note.tax), (words["rounding"], note.rounding)]
    written = [(name, grouped(format_money(amount, note.currency))) for name, amount in steps if amount]
    return [*written, (words["credited"], grouped(format_due(note.amount, note.currency)))]


def facts(invoice: Invoice, words: Words) -> list[tuple[str, str]]:
    """What stands above the lines: name and text of each."""
    form = words["from_to" if invoice.period_start else "up_to"]  # the first one begins with the first use
    found = {
        "number": f"{invoice.number:06d} · {invoice.id}",
        "period": form.format(start=time_text(invoice.period_start), end=time_text(invoice.period_end)),
        "issued": time_text(invoice.created_at),
        "currency": invoice.currency,
    }
    if invoice.part_of:
        found["part"] = words["part_note"].format(project=invoice.shares[0].project_name)
    return [(words[name], text) for name, text in found.items()]


def row(line: InvoiceLine, words: Words) -> Row:
    """One line. Amounts are in the invoice's currency, with all six digits."""
    details = [words["tier"].format(tokens=line.tier)] if line.tier else []
    details += [words["off"].format(percent=line.discount)] if line.discount else []
    given_back = line.quantity == CORRECTED
    return Row(
        project=line.project_name,
        model=line.model,
        quantity=words.get(line.quantity, line.quantity),
        units="" if given_back else f"{line.units:,}",
        unit_price="" if given_back else grouped(number_text(line.unit_price)),
        amount=grouped(number_text(line.amount)),
        detail=" · ".join(details),
    )


def sums(invoice: Invoice, words: Words) -> list[tuple[str, str]]:
    """From the total of the lines to what is due: name and amount of each step; what does not apply is left out."""
    tax = tax_name(invoice, words)
    steps: list[tuple[str, int, bool]] = [
        (words["total"], invoice.total, True),
        (words["covered_credits"], -invoice.covered_credits, bool(invoice.covered_credits)),
        (words["covered_prepaid"], -invoice.covered_prepaid, bool(invoice.covered_prepaid)),
        (words["subtotal"], invoice.subtotal, bool(invoice.covered_credits or invoice.covered_prepaid)),
        (tax, invoice.tax, bool(invoice.tax_rate) and not invoice.part_of),
        (words["rounding"], invoice.rounding, bool(invoice.rounding)),
    ]
    written = [(name, grouped(format_money(amount, invoice.currency))) for name, amount, said in steps if said]
    due = (words["due"], grouped(format_due(invoice.due, invoice.currency)))
    return written if invoice.part_of else [*written, due]


def tax_name(invoice: Invoice, words: Words) -> str:
    """The tax with its rate."""
    return f"{invoice.tax_name or words['tax']} ({rate_text(invoice.tax_rate)})"


def party(one: Party, words: Words) -> str:
    """Name, address and tax number, a line each."""
    tax_id = f"{words['tax_id']}: {one.tax_id}" if one.tax_id else ""
    return "\n".join(line for line in (one.name, one.address.strip(), tax_id) if line)


def notes(invoice: Invoice, words: Words) -> list[str]:
    """What is said small below."""
    said = [words["note"].format(count=invoice.event_count)]
    if invoice.anchor:
        said.append(words["anchor"].format(hash=invoice.anchor))
        said.append(words["anchor_note"].format(block=invoice.anchor_block))
    return said
