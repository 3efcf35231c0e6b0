"""Tables of what owners of models get. Rows are added and never changed, save those of months."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from argosy.runtime import metadata

share_rules = Table(
    "share_rules",
    metadata,
    # "share_" and the number: short enough to be the quantity of ledger entries.
    Column("id", String(20), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("model", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("currency", String(3), nullable=False),
    # Hundredths of a percent of what was charged.
    Column("basis_points", Integer, nullable=False),
    Column("per_million_tokens", BigInteger, nullable=False),
    Column("minimum", BigInteger, nullable=False),
    # [[above, basis_points], ...] in rising order.
    Column("tiers", JSON, nullable=False),
    Column("effective_from", BigInteger, nullable=False),
    Column("effective_until", BigInteger),
    Column("note", String(500), nullable=False),
    Column("key_id", String(40), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Serves posting too, which asks for the rules of each batch's models.
    UniqueConstraint("model", "version"),
)

# How far a rule's month has come: read and written by whoever holds the ledger's lock.
share_months = Table(
    "share_months",
    metadata,
    Column("rule_id", ForeignKey("share_rules.id"), primary_key=True),
    # Such as 202611, by the time at which events finished.
    Column("month", Integer, primary_key=True, autoincrement=False),
    # Micro-units: what was charged, and what of it is the owner's.
    Column("revenue", BigInteger, nullable=False),
    Column("share", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
)

share_payouts = Table(
    "share_payouts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("note", String(500), nullable=False),
    # Given by who asks, so that asking twice pays once.
    Column("idempotency_key", String(100), nullable=False, unique=True),
    Column("key_id", String(40), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
