"""Databases with all tables, copied from one that was made once: making the tables takes longer than most tests."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from argosy.runtime import Database, metadata


def fresh_database(file: Path) -> Database:
    """A new SQLite database in that file, of which there is none yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(_template().name, "template.sqlite"), file)
    return Database(f"sqlite:///{file}")


@cache
def _template() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="argosy-template-")
    made = Database(f"sqlite:///{Path(folder.name, 'template.sqlite')}")
    metadata.create_all(made.engine)
    made.close()
    return folder
