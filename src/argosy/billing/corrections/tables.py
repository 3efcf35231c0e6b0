"""The table of corrections: why entries were posted that take others back. Rows are added and never changed."""

from sqlalchemy import BigInteger, Column, String, Table

from argosy.runtime import metadata

ledger_corrections = Table(
    "ledger_corrections",
    metadata,
    # Also of the ledger's transaction.
    Column("id", String(40), primary_key=True),
    # What is taken back.
    Column("transaction_id", String(80), nullable=False, index=True),
    # Micro-units of it.
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String(500), nullable=False),
    # Given by who asks, so that asking twice corrects once.
    Column("idempotency_key", String(100), nullable=False, unique=True),
    Column("key_id", String(40), nullable=False),
    # Which posting it is, see `argosy.billing.tables.postings`: that says on which invoice it is.
    Column("posted", BigInteger, nullable=False, server_default="0", index=True),
    Column("created_at", BigInteger, nullable=False),
)
