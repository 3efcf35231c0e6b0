"""Table of what was noticed about funds."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from argosy.runtime import metadata

fund_alerts = Table(
    "fund_alerts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("fund_id", ForeignKey("funds.id", ondelete="CASCADE"), nullable=False),
    Column("organization_id", String(40), nullable=False),
    # Percent that was reached.
    Column("threshold", Integer, nullable=False),
    # A budget's month and amount, or the credit that a prepaid fund was last filled with: each is noticed once.
    Column("period", String(60), nullable=False),
    # Micro-units: what was used when it was noticed, and of how much.
    Column("used", BigInteger, nullable=False),
    Column("allowed", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("fund_id", "threshold", "period"),
)
