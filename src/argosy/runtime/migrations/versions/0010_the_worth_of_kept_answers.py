"""What a kept answer saved, in money, on each usage row

Revision: 0010, after 0009.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage_events", sa.Column("saved_amount", sa.BigInteger(), nullable=False, server_default="0"))
    # Rows that are there already get what they would have had: each quantity at its pinned price, rounded half up.
    counts = ("id", "price_version", "discount", "saved_prompt_tokens", "saved_completion_tokens", "saved_amount")
    used = sa.table("usage_events", *map(sa.column, counts))
    prices = sa.table("price_versions", *map(sa.column, ("id", "input", "output")))
    saved = (
        sa.select(used, prices.c.input, prices.c.output)
        .join(prices, prices.c.id == used.c.price_version)
        .where(used.c.saved_prompt_tokens + used.c.saved_completion_tokens > 0)
    )
    rows = [{"row": row.id, "saved": _worth(row)} for row in op.get_bind().execute(saved)]
    if rows:
        named = used.c.id == sa.bindparam("row")
        op.get_bind().execute(sa.update(used).where(named).values(saved_amount=sa.bindparam("saved")), rows)


def _worth(row: sa.Row[Any]) -> int:
    pairs = ((row.saved_prompt_tokens, row.input), (row.saved_completion_tokens, row.output))
    return sum((tokens * price * (100 - row.discount) + 50_000_000) // 100_000_000 for tokens, price in pairs)


def downgrade() -> None:
    op.drop_column("usage_events", "saved_amount")
