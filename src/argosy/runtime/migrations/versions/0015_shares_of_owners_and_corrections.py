"""Shares of owners, and corrections of the ledger

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "share_rules",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("owner_name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("basis_points", sa.Integer(), nullable=False),
        sa.Column("per_million_tokens", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("effective_until", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_rules")),
        sa.UniqueConstraint("number", name=op.f("uq_share_rules_number")),
        sa.UniqueConstraint("model", "version", name=op.f("uq_share_rules_model_version")),
    )
    op.create_table(
        "share_months",
        sa.Column("rule_id", sa.String(length=20), nullable=False),
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["share_rules.id"], name=op.f("fk_share_months_rule_id_share_rules")),
        sa.PrimaryKeyConstraint("rule_id", "month", name=op.f("pk_share_months")),
    )
    op.create_table(
        "share_payouts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("idempotency_key", sa.String(length=100), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_payouts")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_share_payouts_idempotency_key")),
    )
    op.create_table(
        "ledger_corrections",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("transaction_id", sa.String(length=80), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("idempotency_key", sa.String(length=100), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_corrections")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_ledger_corrections_idempotency_key")),
    )
    with op.batch_alter_table("ledger_corrections", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_corrections_transaction_id"), ["transaction_id"], unique=False)
    op.create_index(
        op.f("ix_ledger_entries_party_account_id"),
        "ledger_entries",
        ["party", "account", "id"],
        unique=False,
        sqlite_where=sa.text("party <> ''"),
        postgresql_where=sa.text("party <> ''"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_ledger_entries_party_account_id"), table_name="ledger_entries")
    for table in ("ledger_corrections", "share_payouts", "share_months", "share_rules"):
        op.drop_table(table)
