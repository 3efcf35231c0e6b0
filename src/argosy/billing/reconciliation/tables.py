"""Tables of reconciliations, of what engines counted, and of what providers say they are owed."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from argosy.runtime import metadata

reconciliations = Table(
    "reconciliations",
    metadata,
    # The hour's beginning, in unix seconds. A later look at the same hour takes this one's place.
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("model", String(200), primary_key=True),
    Column("events", BigInteger, nullable=False),
    # Micro-units: as the usage rows say, as the ledger says, and as the pinned prices make of the rows' units.
    Column("usage_amount", BigInteger, nullable=False),
    Column("ledger_amount", BigInteger, nullable=False),
    Column("rated_amount", BigInteger, nullable=False),
    # The sum, over all rows, of how far the three are apart: two errors never hide each other.
    Column("difference", BigInteger, nullable=False),
    # Ids of rows that differ, the first few, and what may have caused it, as JSON.
    Column("rows", Text, nullable=False),
    Column("causes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

engine_counts = Table(
    "engine_counts",
    metadata,
    # One start of an engine: its counts begin at zero with it.
    Column("replica_id", String(40), primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("model", String(200), nullable=False),
    # Since its start, as last seen in that hour.
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)

provider_invoices = Table(
    "provider_invoices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("provider", String(200), nullable=False),
    # SHA-256 of the file: the same file is imported once.
    Column("digest", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("provider", "digest"),
)

provider_invoice_lines = Table(
    "provider_invoice_lines",
    metadata,
    Column("invoice_id", ForeignKey("provider_invoices.id"), primary_key=True),
    # Of the file.
    Column("line", Integer, primary_key=True, autoincrement=False),
    # The day's beginning in UTC, in unix seconds.
    Column("day", BigInteger, nullable=False),
    Column("model", String(200), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
)
