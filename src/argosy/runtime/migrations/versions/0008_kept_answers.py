"""Kept answers: which projects want them, and what they saved on each usage row

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_cache_modes",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_gateway_cache_modes_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_gateway_cache_modes")),
    )
    for name in ("saved_prompt_tokens", "saved_completion_tokens"):
        op.add_column("usage_events", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("usage_events", "saved_completion_tokens")
    op.drop_column("usage_events", "saved_prompt_tokens")
    op.drop_table("gateway_cache_modes")
