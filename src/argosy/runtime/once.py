"""Insert only what is not there yet, in the words of either database."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from argosy.runtime.database import Transaction


def insert_once(tx: Transaction, table: Table) -> Any:
    """An INSERT that leaves rows alone whose unique values are taken."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
