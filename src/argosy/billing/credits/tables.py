"""Table of what was asked for under an idempotency key. The credits themselves stand beside their funds."""

from sqlalchemy import Column, ForeignKey, String, Table

from argosy.runtime import metadata

credit_keys = Table(
    "credit_keys",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("key", String(200), primary_key=True),
    # SHA-256 of what was asked for, so that the same key for something else is noticed.
    Column("request", String(64), nullable=False),
    Column("credit_id", String(40), nullable=False),
)
