"""Versions of deployments, several replicas, tokens for hubs

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    versions = op.create_table(
        "deployment_versions",
        sa.Column("deployment_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("engine", sa.String(length=32), nullable=False),
        sa.Column("quantisation", sa.String(length=16), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("provider_model", sa.String(length=200), nullable=True),
        sa.Column("fit", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_deployment_versions_deployment_id_deployments")
        ),
        sa.PrimaryKeyConstraint("deployment_id", "number", name=op.f("pk_deployment_versions")),
    )
    op.create_table(
        "hub_tokens",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("hub", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_hub_tokens_project_id_projects")),
        sa.PrimaryKeyConstraint("project_id", "hub", name=op.f("pk_hub_tokens")),
    )
    # What is served already becomes its version 1.
    deployments = sa.table("deployments", *map(sa.column, ("id", "engine", "created_at")), sa.column("detail", sa.JSON))
    for row in op.get_bind().execute(sa.select(deployments)).all():
        first = {"deployment_id": row.id, "number": 1, "engine": row.engine, "created_at": row.created_at}
        if row.engine == "provider":
            first |= {name: row.detail.get(name) for name in ("provider", "provider_model")}
        op.get_bind().execute(sa.insert(versions).values(**first))
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("replicas", sa.Integer(), nullable=False, server_default="1"))
        batch_op.drop_column("engine")
    with op.batch_alter_table("replicas", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    # The tables in code have no defaults of the server's.
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.alter_column("version", server_default=None)
        batch_op.alter_column("replicas", server_default=None)
    with op.batch_alter_table("replicas", schema=None) as batch_op:
        batch_op.alter_column("version", server_default=None)


def downgrade() -> None:
    deployments = sa.table("deployments", *map(sa.column, ("id", "version", "engine")))
    versions = sa.table("deployment_versions", *map(sa.column, ("deployment_id", "number", "engine")))
    with op.batch_alter_table("replicas", schema=None) as batch_op:
        batch_op.drop_column("version")
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("engine", sa.String(length=32), nullable=False, server_default="llama_cpp"))
    wanted = sa.select(versions.c.engine).where(
        versions.c.deployment_id == deployments.c.id, versions.c.number == deployments.c.version
    )
    op.get_bind().execute(sa.update(deployments).values(engine=wanted.scalar_subquery()))
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.alter_column("engine", server_default=None)
        batch_op.drop_column("replicas")
        batch_op.drop_column("version")
    op.drop_table("hub_tokens")
    op.drop_table("deployment_versions")
