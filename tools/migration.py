"""``make migration NAME=...``: write the Alembic step that leads to the tables as they are in code."""

import sys
import tempfile
from pathlib import Path

from argosy.app import register_tables
from argosy.runtime import Database
from argosy.runtime.migrations import migrate, write_revision

if __name__ == "__main__":
    register_tables()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'new.sqlite'}")
        migrate(database)
        write_revision(database, sys.argv[1])
