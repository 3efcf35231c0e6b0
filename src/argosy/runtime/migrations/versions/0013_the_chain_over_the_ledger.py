"""The chain over the ledger, and what usage rows say besides

Entries that are there already stay outside the chain: its head is made with the first posting after this.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXTS = (
    ("target", sa.String(length=200)),
    ("model_version", sa.String(length=200)),
    ("tags", sa.Text()),
    ("fund", sa.String(length=40)),
)


def upgrade() -> None:
    op.create_table(
        "ledger_blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_entry", sa.BigInteger(), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_blocks")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("first_entry", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    op.add_column("ledger_entries", sa.Column("party", sa.String(length=200), server_default="", nullable=False))
    for name, kind in _TEXTS:
        op.add_column("usage_events", sa.Column(name, kind, server_default="", nullable=False))
    for name in ("first_token_us", "reasoning_tokens"):
        op.add_column("usage_events", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("fund", "reasoning_tokens", "first_token_us", "tags", "model_version", "target"):
        op.drop_column("usage_events", name)
    op.drop_column("ledger_entries", "party")
    op.drop_table("ledger_head")
    op.drop_table("ledger_blocks")
