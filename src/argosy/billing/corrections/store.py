"""SQL of corrections. They are the platform's own: a transaction may be about several projects, or none."""

from sqlalchemy import func, insert, select

from argosy.billing.corrections.correction import Correction
from argosy.billing.corrections.tables import ledger_corrections
from argosy.billing.tables import usage_events
from argosy.runtime import Transaction


def insert_correction(tx: Transaction, correction: Correction) -> None:
    """Add it."""
    values = {column.name: getattr(correction, column.name) for column in ledger_corrections.c}
    tx.execute(insert(ledger_corrections).values(values))


def taken_back(tx: Transaction, transaction_id: str) -> int:
    """How much of a transaction was taken back so far, in micro-units. Under the ledger's lock."""
    amounts = select(func.coalesce(func.sum(ledger_corrections.c.amount), 0))
    return int(tx.execute(amounts.where(ledger_corrections.c.transaction_id == transaction_id)).scalar_one())


def fund_of(tx: Transaction, usage_id: str) -> str:
    """The prepaid fund that paid for an event; empty if none did, or there is no such event."""
    return tx.execute(select(usage_events.c.fund).where(usage_events.c.id == usage_id)).scalar() or ""


def list_corrections(
    tx: Transaction, transaction_id: str | None = None, idempotency_key: str | None = None
) -> list[Correction]:
    """Corrections, newest first: all, those of a transaction, or the one that was asked for with this key."""
    query = select(ledger_corrections).order_by(ledger_corrections.c.id.desc())
    if transaction_id is not None:
        query = query.where(ledger_corrections.c.transaction_id == transaction_id)
    if idempotency_key is not None:
        query = query.where(ledger_corrections.c.idempotency_key == idempotency_key)
    return [Correction(**row._mapping) for row in tx.execute(query)]
