"""How a stream that broke at a provider is carried on

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("providers", sa.Column("prefill", sa.String(length=10), nullable=False, server_default="none"))


def downgrade() -> None:
    op.drop_column("providers", "prefill")
