"""Accepted licences, providers, aliases, imported cards, engines that are unloaded

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "licence_acceptances",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("licence", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_licence_acceptances_key_id_api_keys")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_licence_acceptances_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", "licence", "version", name=op.f("pk_licence_acceptances")),
    )
    op.create_table(
        "providers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("base_url", sa.String(length=400), nullable=False),
        sa.Column("auth", sa.String(length=20), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_providers_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("name", name=op.f("uq_providers_name")),
    )
    op.create_table(
        "imported_cards",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_imported_cards_project_id_projects")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_imported_cards")),
    )
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("idle_unload_s", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("asked_us", sa.BigInteger(), nullable=True))
    op.create_table(
        "aliases",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_aliases_project_id_projects")),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_aliases")),
    )


def downgrade() -> None:
    op.drop_table("aliases")
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.drop_column("asked_us")
        batch_op.drop_column("idle_unload_s")
    op.drop_table("imported_cards")
    op.drop_table("providers")
    op.drop_table("licence_acceptances")
