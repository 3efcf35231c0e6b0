"""What Alembic runs for each command: it works on the open transaction that `argosy.runtime.migrations` hands it."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    render_as_batch=given["connection"].dialect.name == "sqlite",
    compare_type=False,  # SQLite forgets types; the test that compares both databases' columns stands in
)
context.run_migrations()
