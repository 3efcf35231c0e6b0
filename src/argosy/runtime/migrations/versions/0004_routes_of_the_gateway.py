"""Routes of the gateway, and on each usage row how it was routed

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_routes",
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_gateway_routes_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("organization_id", "name", "version", name=op.f("pk_gateway_routes")),
    )
    op.add_column("usage_events", sa.Column("route", sa.String(length=200), nullable=False, server_default=""))
    op.add_column("usage_events", sa.Column("attempts", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("usage_events", "attempts")
    op.drop_column("usage_events", "route")
    op.drop_table("gateway_routes")
