"""Credit notes: what was invoiced and is taken back, as documents of their own.

Invariants: an invoice is never changed; its credit notes and payments never sum to more than was due; a note takes from
tax and rounding in proportion, and the note that takes the last takes exactly what is left of each; its ledger entries
reverse the invoice's, and stand beside its lines' revenue as corrections do.
"""

from collections import Counter
from collections.abc import Sequence

from argosy.billing import ledger
from argosy.billing.invoices.reading import get_invoice
from argosy.billing.invoices.records import Due, Invoice
from argosy.billing.invoices.settlement import store
from argosy.billing.invoices.settlement.records import CreditedLine, CreditNote
from argosy.billing.invoices.settlement.standing import Standing, spread, standing_of
from argosy.billing.invoices.store import next_number
from argosy.billing.ledger import CORRECTION, INVOICED, ROUNDING, TAX, Entry
from argosy.core import Conflict, Invalid, format_due, format_money, minor_unit, new_id, now, round_to_minor
from argosy.runtime import Transaction


def credit(
    tx: Transaction,
    project_id: str,
    invoice_id: str,
    reason: str,
    *,
    amount: int | None = None,
    lines: Sequence[CreditedLine] = (),
    idempotency_key: str | None = None,
) -> CreditNote:
    """Take back some of an invoice of the project's organization: an amount, tax included; or of lines, before tax.

    Raises NotFound, Invalid for what is no amount that can be paid, Conflict for more than is left, and for another
    note under the same key.
    """
    if (amount is None) == (not lines):
        raise Invalid("Give either 'amount' or 'lines'.", code="invalid_credit_note", param="amount")
    ledger.lock(tx)
    invoice = get_invoice(tx, project_id, invoice_id)
    if idempotency_key and (known := store.note_with(tx, invoice.organization_id, idempotency_key)):
        return _asked_before(known, invoice, amount, lines)
    standing = standing_of(tx, invoice)
    left = standing.uncredited_lines()
    if amount is not None:
        taken = _of_amount(standing, left, amount)
        parts = spread(taken.subtotal, left)
    else:
        parts = _of_lines(standing, left, lines)
        taken = _with_tax(standing, sum(left), sum(parts))
    note = CreditNote(
        id=new_id("cn_"),
        organization_id=invoice.organization_id,
        number=next_number(tx, invoice.organization_id, "credit_note"),
        invoice_id=invoice.id,
        currency=invoice.currency,
        net=taken.subtotal,
        tax=taken.tax,
        rounding=taken.rounding,
        amount=taken.due,
        reason=reason,
        idempotency_key=idempotency_key,
        created_at=now(),
        lines=tuple(CreditedLine(position, part) for position, part in enumerate(parts) if part),
    )
    store.insert_note(tx, note)
    ledger.post(tx, _entries(invoice, note))
    return note


def _asked_before(known: CreditNote, invoice: Invoice, amount: int | None, lines: Sequence[CreditedLine]) -> CreditNote:
    same = known.amount == amount if amount is not None else _sums(known.lines) == _sums(lines)
    if known.invoice_id != invoice.id or not same:
        raise Conflict(
            f"This idempotency key was used for {known.id}, which differs. Use a new one for a new credit note.",
            code="idempotency_key_reused",
            param="idempotency_key",
        )
    return known


def _sums(lines: Sequence[CreditedLine]) -> Counter[int]:
    """What is taken back, by position."""
    taken: Counter[int] = Counter()
    for line in lines:
        taken[line.position] += line.amount
    return taken


def _of_amount(standing: Standing, lines_left: list[int], amount: int) -> Due:
    """The parts of an amount that can be paid."""
    currency = standing.invoice.currency
    if amount <= 0 or amount % minor_unit(currency):
        raise Invalid(
            f"A credit note is over a multiple of {format_due(minor_unit(currency), currency)}, and more than nothing.",
            code="invalid_amount",
            param="amount",
        )
    _check_left(standing, amount)
    tax_left, rounding_left = _left(standing)
    whole = sum(lines_left) + tax_left + rounding_left  # what was not taken back yet, paid or not
    tax, rounding = tax_left * amount // whole, rounding_left * amount // whole
    net = min(amount - tax - rounding, sum(lines_left))
    return Due(net, tax, amount - tax - net, amount)


def _of_lines(standing: Standing, left: list[int], lines: Sequence[CreditedLine]) -> list[int]:
    """What is taken back of each line of the invoice."""
    parts = [0] * len(left)
    for line in lines:
        if not 0 <= line.position < len(left):
            raise Invalid(f"The invoice has no line {line.position}.", code="no_such_line", param="lines")
        parts[line.position] += line.amount
        if line.amount <= 0:
            raise Invalid("What is taken back of a line is more than nothing.", code="invalid_amount", param="lines")
        if parts[line.position] > left[line.position]:
            raise Conflict(
                f"Of line {line.position} {format_money(left[line.position], standing.invoice.currency)} is left.",
                code="above_what_is_left",
                param="lines",
            )
    return parts


def _with_tax(standing: Standing, net_left: int, net: int) -> Due:
    """Lines that are taken back, with their part of the tax, rounded to what can be paid."""
    tax_left, rounding_left = _left(standing)
    if net == net_left:
        due = net + tax_left + rounding_left
        tax = tax_left
    else:
        tax = tax_left * net // net_left
        due = min(round_to_minor(net + tax, standing.invoice.currency), net_left + tax_left + rounding_left)
    if not due:
        raise Invalid(
            "That is less than can be paid: with its tax it rounds to nothing. Take more back at once.",
            code="invalid_amount",
            param="lines",
        )
    _check_left(standing, due)
    return Due(net, tax, due - net - tax, due)


def _left(standing: Standing) -> tuple[int, int]:
    """What of tax and rounding was not taken back yet."""
    invoice, notes = standing.invoice, standing.notes
    return invoice.tax - sum(note.tax for note in notes), invoice.rounding - sum(note.rounding for note in notes)


def _check_left(standing: Standing, amount: int) -> None:
    if amount > standing.left:
        currency = standing.invoice.currency
        raise Conflict(
            f"Of this invoice {format_money(standing.left, currency)} is left, which is less than "
            f"{format_money(amount, currency)}. What was paid already can be given back as a grant.",
            code="above_what_is_left",
            param="amount",
        )


def _entries(invoice: Invoice, note: CreditNote) -> list[Entry]:
    """What each line, the tax and the rounding lose, and that so much less is owed."""
    party, currency = note.organization_id, note.currency
    moves = [(TAX, note.tax, "", "", TAX), (ROUNDING, note.rounding, "", "", ROUNDING)]
    for number, credited in enumerate(note.lines):
        line = invoice.lines[credited.position]
        moves.append((CORRECTION, credited.amount, line.project_id, line.model, str(number)))
    entries = [
        Entry(note.id, account, project_id, amount, currency, model, name, None, party)
        for account, amount, project_id, model, name in moves
        if amount
    ]
    return [*entries, Entry(note.id, INVOICED, "", -note.amount, currency, party=party)]
