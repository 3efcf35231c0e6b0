"""The database's history, one Alembic script a step under ``versions/``, and the function that walks it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from argosy.runtime.database import Database, Transaction, metadata

_LOCK = 4_157_011  # any number of our own: PostgreSQL's advisory lock for "somebody is migrating"


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database up to a revision, the newest by default; whoever comes second finds nothing to do.

    Every row is kept.
    """
    with database.rebuild() as tx:  # on SQLite this holds the write lock for the whole walk
        if not database.is_sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_configuration(tx), revision)


def revisions() -> list[str]:
    """All revisions, the oldest first."""
    scripts = ScriptDirectory(str(Path(__file__).parent)).walk_revisions()
    return [script.revision for script in scripts][::-1]


def is_current(database: Database) -> bool | None:
    """Whether the database stands at the newest revision that this code knows; None when it cannot be reached."""
    try:
        with database.read() as tx:
            head = ScriptDirectory.from_config(_configuration(tx)).get_current_head()
            return MigrationContext.configure(tx).get_current_revision() == head
    except (SQLAlchemyError, OSError):
        return None


def write_revision(database: Database, message: str) -> None:
    """Write the script that takes the database from its newest revision to the tables as they are in code."""
    with database.write() as tx:
        command.revision(_configuration(tx), message, autogenerate=True)


def _configuration(tx: Transaction) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    configuration.attributes.update(connection=tx, metadata=metadata)
    return configuration
