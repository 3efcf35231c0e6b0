"""Tables of what is settled of an invoice, and of what stands at the head of one."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from argosy.runtime import metadata

billing_profiles = Table(
    "billing_profiles",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("customer", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("tax_name", String(40), nullable=False),
    # Hundredths of a percent.
    Column("tax_rate", Integer, nullable=False),
    Column("language", String(2), nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

credit_notes = Table(
    "credit_notes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("organization_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False, index=True),
    Column("currency", String(3), nullable=False),
    # Micro-units: net + tax + rounding = amount.
    Column("net", BigInteger, nullable=False),
    Column("tax", BigInteger, nullable=False),
    Column("rounding", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("reason", String(500), nullable=False),
    # Given by who asks, so that asking twice makes one; NULL without.
    Column("idempotency_key", String(100)),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "number"),
    UniqueConstraint("organization_id", "idempotency_key"),
)

credit_note_lines = Table(
    "credit_note_lines",
    metadata,
    Column("credit_note_id", ForeignKey("credit_notes.id"), primary_key=True),
    # Of the invoice's line.
    Column("position", Integer, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

payments = Table(
    "payments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("organization_id", String(40), nullable=False),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    # The bank's or the sender's: a payment that is told twice is one.
    Column("reference", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "reference"),
    Index(None, "invoice_id"),
)
