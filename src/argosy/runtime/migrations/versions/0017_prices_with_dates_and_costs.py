"""Prices with dates, tiers and batch rates, and what providers ask

Revision: 0017, after 0016.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cost_versions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("input", sa.BigInteger(), nullable=False),
        sa.Column("cached_input", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.BigInteger(), nullable=False),
        sa.Column("training", sa.BigInteger(), nullable=False),
        sa.Column("tiers", sa.Text(), server_default="", nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_versions")),
        sa.UniqueConstraint("provider", "model", "version", name=op.f("uq_cost_versions_provider_model_version")),
    )
    # What was there held as soon as it was made, and had one tier.
    op.add_column("price_versions", sa.Column("effective_from", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("price_versions", sa.Column("tiers", sa.Text(), server_default="", nullable=False))
    op.add_column("price_versions", sa.Column("batch_discount", sa.Integer(), nullable=True))
    for table in ("usage_events", "invoice_lines"):
        op.add_column(table, sa.Column("tier", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("usage_events", sa.Column("cost_version", sa.String(length=40), server_default="", nullable=False))
    op.add_column("usage_events", sa.Column("cost_amount", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("cost_amount", "cost_version", "tier"):
        op.drop_column("usage_events", name)
    op.drop_column("invoice_lines", "tier")
    for name in ("batch_discount", "tiers", "effective_from"):
        op.drop_column("price_versions", name)
    op.drop_table("cost_versions")
