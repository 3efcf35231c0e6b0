"""What else is metered: engines' time and storage

Revision: 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("price_versions", "cost_versions"):
        op.add_column(table, sa.Column("measured", sa.Text(), server_default="", nullable=False))
    op.add_column("usage_events", sa.Column("measured", sa.String(length=20), server_default="", nullable=False))
    for name in ("measured_units", "measured_amount"):
        op.add_column("usage_events", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("deployments", sa.Column("dedicated_to", sa.String(length=64), nullable=True))
    op.create_table(
        "meter_marks",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meter_marks")),
    )
    op.create_table(
        "engine_windows",
        sa.Column("replica_id", sa.String(length=64), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("deployment_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("to_us", sa.BigInteger(), nullable=False),
        sa.Column("price_version", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("replica_id", "window", name=op.f("pk_engine_windows")),
    )


def downgrade() -> None:
    op.drop_table("engine_windows")
    op.drop_table("meter_marks")
    op.drop_column("deployments", "dedicated_to")
    for name in ("measured_amount", "measured_units", "measured"):
        op.drop_column("usage_events", name)
    for table in ("cost_versions", "price_versions"):
        op.drop_column(table, "measured")
