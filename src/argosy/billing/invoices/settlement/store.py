"""SQL of payments and credit notes. Rows are added and never changed."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select

from argosy.billing.invoices.settlement.records import CreditedLine, CreditNote, Payment
from argosy.billing.invoices.tables import credit_note_lines, credit_notes, payments
from argosy.runtime import Transaction


def notes_of(tx: Transaction, organization_id: str, invoice_id: str) -> list[CreditNote]:
    """The invoice's credit notes, oldest first."""
    owned = (credit_notes.c.organization_id == organization_id) & (credit_notes.c.invoice_id == invoice_id)
    rows = tx.execute(select(credit_notes).where(owned).order_by(credit_notes.c.number)).all()
    return [CreditNote(**row._mapping, lines=_lines_of(tx, row.id)) for row in rows]


def note_with(tx: Transaction, organization_id: str, idempotency_key: str) -> CreditNote | None:
    """The organization's credit note that was asked for with this key."""
    owned = credit_notes.c.organization_id == organization_id
    row = tx.execute(select(credit_notes).where(owned, credit_notes.c.idempotency_key == idempotency_key)).one_or_none()
    return None if row is None else CreditNote(**row._mapping, lines=_lines_of(tx, row.id))


def payments_of(tx: Transaction, organization_id: str, invoice_id: str) -> list[Payment]:
    """The invoice's payments, oldest first."""
    owned = (payments.c.organization_id == organization_id) & (payments.c.invoice_id == invoice_id)
    rows = tx.execute(select(payments).where(owned).order_by(payments.c.created_at, payments.c.id))
    return [Payment(**row._mapping) for row in rows]


def payment_with(tx: Transaction, organization_id: str, reference: str) -> Payment | None:
    """The organization's payment with this reference."""
    owned = (payments.c.organization_id == organization_id) & (payments.c.reference == reference)
    row = tx.execute(select(payments).where(owned)).one_or_none()
    return None if row is None else Payment(**row._mapping)


def insert_note(tx: Transaction, note: CreditNote) -> None:
    """A credit note with its lines."""
    values = {column.name: getattr(note, column.name) for column in credit_notes.c}
    tx.execute(insert(credit_notes).values(values))
    if note.lines:
        tx.execute(insert(credit_note_lines), [{"credit_note_id": note.id, **asdict(line)} for line in note.lines])


def insert_payment(tx: Transaction, payment: Payment) -> None:
    """A payment."""
    tx.execute(insert(payments).values(asdict(payment)))


def _lines_of(tx: Transaction, note_id: str) -> tuple[CreditedLine, ...]:
    lines = credit_note_lines.c
    found: Sequence[tuple[int, int]] = [
        (row.position, row.amount)
        for row in tx.execute(select(lines.position, lines.amount).where(lines.credit_note_id == note_id))
    ]
    return tuple(CreditedLine(*line) for line in sorted(found))
