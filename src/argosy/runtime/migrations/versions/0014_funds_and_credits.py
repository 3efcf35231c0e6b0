"""Funds and credits

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op


revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "funds",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("period_start", sa.BigInteger(), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("thresholds", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_funds_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funds")),
        sa.UniqueConstraint(
            "organization_id", "kind", "scope", "subject", name=op.f("uq_funds_organization_id_kind_scope_subject")
        ),
    )
    op.create_table(
        "fund_credits",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("fund_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["fund_id"], ["funds.id"], name=op.f("fk_fund_credits_fund_id_funds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_credits")),
    )
    with op.batch_alter_table("fund_credits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fund_credits_fund_id_remaining"), ["fund_id", "remaining"], unique=False)

    op.create_table(
        "fund_leases",
        sa.Column("fund_id", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("outstanding", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fund_id"], ["funds.id"], name=op.f("fk_fund_leases_fund_id_funds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fund_id", "holder", name=op.f("pk_fund_leases")),
    )


def downgrade() -> None:
    op.drop_table("fund_leases")
    with op.batch_alter_table("fund_credits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fund_credits_fund_id_remaining"))

    op.drop_table("fund_credits")
    op.drop_table("funds")
