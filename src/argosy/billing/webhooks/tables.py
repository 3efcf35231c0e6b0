"""Tables of webhooks and what is to be delivered to them."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from argosy.runtime import metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    # Names of the events that it wants.
    Column("events", JSON, nullable=False),
    # Whether it may stand inside the operator's network.
    Column("private", Boolean, nullable=False),
    # Sealed by the vault.
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    # What receivers get as `webhook-id`: the same at each attempt, so that they can tell.
    Column("id", String(40), primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(60), nullable=False),
    Column("body", Text, nullable=False),
    # "pending", "delivered" or "failed".
    Column("status", String(12), nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it is due, in unix seconds; while somebody delivers it, when another one may.
    Column("next_at", BigInteger, nullable=False),
    # The last answer's status, and in words what went wrong. Nothing else of an answer is kept.
    Column("answered", Integer),
    Column("error", String(300), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index(None, "status", "next_at"),
    Index(None, "webhook_id", "id"),
)
