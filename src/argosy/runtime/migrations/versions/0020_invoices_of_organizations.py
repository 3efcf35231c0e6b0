"""Invoices of organizations, with tax, rounding, payments and credit notes

Usage that was posted before has no number of its posting: what of it is on an invoice stays there, and the rest is put
on the next one row by row. Invoices of single projects stay as they were sent, and are due what the ledger says of them;
the organization's numbers go on after their highest.

Revision: 0020, after 0019.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_MONEY = ("covered_credits", "covered_prepaid", "subtotal", "tax", "rounding", "due")
_INVOICE = (
    sa.Column("organization_id", sa.String(length=40), server_default="", nullable=False),
    sa.Column("posted_after", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("posted_upto", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("covered_credits", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("covered_prepaid", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("subtotal", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("tax_name", sa.String(length=40), server_default="", nullable=False),
    sa.Column("tax_rate", sa.Integer(), server_default="0", nullable=False),
    sa.Column("tax", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("rounding", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("due", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("issuer", sa.Text(), server_default="{}", nullable=False),
    sa.Column("customer", sa.Text(), server_default="{}", nullable=False),
    sa.Column("language", sa.String(length=2), server_default="en", nullable=False),
    sa.Column("anchor_block", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("anchor", sa.String(length=64), server_default="", nullable=False),
)
_LINE = (
    sa.Column("project_id", sa.String(length=40), server_default="", nullable=False),
    sa.Column("project_name", sa.String(length=200), server_default="", nullable=False),
)
_DUE = (
    "COALESCE((SELECT SUM(amount) FROM ledger_entries WHERE transaction_id = invoices.id AND account = 'invoiced'), 0)"
)
_PREPAID = (
    "COALESCE((SELECT SUM(amount) FROM ledger_entries JOIN invoice_items ON transaction_id = invoice_items.usage_id "
    "WHERE invoice_items.invoice_id = invoices.id AND account = 'prepaid'), 0)"
)
_PROJECT_NAME = "COALESCE((SELECT name FROM projects WHERE projects.id = invoices.project_id), '')"


def upgrade() -> None:
    op.create_table(
        "postings",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
    )
    # Corrections were on no invoice yet: they count as the first posting.
    op.add_column("ledger_corrections", sa.Column("posted", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_ledger_corrections_posted"), "ledger_corrections", ["posted"], unique=False)
    op.execute("UPDATE ledger_corrections SET posted = 1")
    op.execute("INSERT INTO postings (id, last) VALUES (1, 1)")
    op.add_column("usage_events", sa.Column("posted", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_usage_events_posted_finished_us"), "usage_events", ["posted", "finished_us"], unique=False)
    _alter_invoices()
    _alter_series()
    _create_settlement()


def _alter_invoices() -> None:
    for column in _INVOICE:
        op.add_column("invoices", column)
    for column in _LINE:
        op.add_column("invoice_lines", column)
    owner = "SELECT organization_id FROM projects WHERE projects.id = invoices.project_id"
    op.execute(f"UPDATE invoices SET organization_id = COALESCE(({owner}), ''), subtotal = {_DUE}, due = {_DUE}")  # noqa: S608
    op.execute(f"UPDATE invoices SET covered_prepaid = {_PREPAID}")  # noqa: S608
    op.execute("UPDATE invoices SET covered_credits = total - due - covered_prepaid")
    ours = "FROM invoices WHERE invoices.id = invoice_lines.invoice_id"
    op.execute(
        f"UPDATE invoice_lines SET project_id = (SELECT project_id {ours}), project_name = (SELECT {_PROJECT_NAME} {ours})"  # noqa: S608
    )
    with op.batch_alter_table("invoices") as batch:
        batch.drop_constraint("uq_invoices_project_id_number", type_="unique")
        batch.create_unique_constraint(
            "uq_invoices_organization_id_project_id_number", ["organization_id", "project_id", "number"]
        )
    op.create_table(
        "invoice_projects",
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("project_name", sa.String(length=200), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("covered_credits", sa.BigInteger(), nullable=False),
        sa.Column("covered_prepaid", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_projects_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("invoice_id", "project_id", name=op.f("pk_invoice_projects")),
    )
    op.create_index(op.f("ix_invoice_projects_project_id"), "invoice_projects", ["project_id"], unique=False)
    op.execute(
        "INSERT INTO invoice_projects (invoice_id, project_id, project_name, event_count, total, "  # noqa: S608
        f"covered_credits, covered_prepaid) SELECT id, project_id, {_PROJECT_NAME}, event_count, total, covered_credits, "
        "covered_prepaid FROM invoices"
    )


def _alter_series() -> None:
    """Made anew: SQLite cannot give a table another primary key."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT project_id, last FROM invoice_series")).all()
    op.drop_table("invoice_series")
    series = op.create_table(
        "invoice_series",
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), server_default="invoice", nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", name=op.f("pk_invoice_series")),
    )
    if rows:
        op.bulk_insert(series, [{"owner": owner, "kind": "invoice", "last": last} for owner, last in rows])
    op.execute(
        "INSERT INTO invoice_series (owner, kind, last) SELECT organization_id, 'invoice', MAX(last) FROM invoice_series "
        "JOIN projects ON projects.id = owner WHERE organization_id NOT IN (SELECT owner FROM invoice_series) "
        "GROUP BY organization_id"
    )


def _create_settlement() -> None:
    op.create_table(
        "billing_profiles",
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("tax_name", sa.String(length=40), nullable=False),
        sa.Column("tax_rate", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_billing_profiles_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_billing_profiles")),
    )
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("rounding", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("idempotency_key", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_credit_notes_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("organization_id", "number", name=op.f("uq_credit_notes_organization_id_number")),
        sa.UniqueConstraint(
            "organization_id", "idempotency_key", name=op.f("uq_credit_notes_organization_id_idempotency_key")
        ),
    )
    op.create_index(op.f("ix_credit_notes_invoice_id"), "credit_notes", ["invoice_id"], unique=False)
    op.create_table(
        "credit_note_lines",
        sa.Column("credit_note_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_notes.id"], name=op.f("fk_credit_note_lines_credit_note_id_credit_notes")
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "position", name=op.f("pk_credit_note_lines")),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_payments_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("organization_id", "reference", name=op.f("uq_payments_organization_id_reference")),
    )
    op.create_index(op.f("ix_payments_invoice_id"), "payments", ["invoice_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("Invoices of organizations cannot be made into invoices of projects again.")
