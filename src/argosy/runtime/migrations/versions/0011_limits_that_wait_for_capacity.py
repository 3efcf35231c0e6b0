"""Limits that wait for capacity, and the deployments that have such a line

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "capacity_switches",
        sa.Column("deployment_id", sa.String(length=64), nullable=False),
        sa.Column("waitlist", sa.Boolean(), nullable=False),
        sa.Column("tokens_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_capacity_switches_deployment_id_deployments")
        ),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_capacity_switches")),
    )
    op.create_table(
        "limit_waitlist",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_limit_waitlist_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limit_waitlist")),
        sa.UniqueConstraint("number", name=op.f("uq_limit_waitlist_number")),
    )
    for name in ("project_id", "state"):
        op.create_index(op.f(f"ix_limit_waitlist_{name}"), "limit_waitlist", [name], unique=False)


def downgrade() -> None:
    op.drop_table("limit_waitlist")
    op.drop_table("capacity_switches")
