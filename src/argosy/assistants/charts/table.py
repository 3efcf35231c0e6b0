"""A table that charts may be asked of: a CSV file loaded once into a DuckDB of its own, then locked.

After loading, the database can reach no file, no network and no extension, and its configuration cannot be changed.
Money stays exact: fractional columns are DECIMAL(18, 4), never floating point.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from argosy.core import Invalid

Cell = str | int | float | Decimal | date | None

_TYPES = ["BIGINT", "DATE", "DECIMAL(18,4)", "DOUBLE", "VARCHAR"]
_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE")
_MEMORY = "256MB"
_FEW_VALUES = 200


@dataclass(frozen=True)
class Query:
    """One SELECT with `?` marks, and the values for them in order."""

    sql: str
    params: tuple[str | date, ...]


class Table:
    """A loaded table. `time` is its first date column, `dimensions` its text columns, `measures` its numeric ones.

    Safe to share between threads: every query runs on a cursor of its own.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: dict[str, str]) -> None:
        self._connection = connection
        self.columns = columns
        self.time = next((name for name, kind in columns.items() if kind == "DATE"), None)
        self.dimensions = tuple(name for name, kind in columns.items() if kind == "VARCHAR")
        self.measures = tuple(name for name, kind in columns.items() if kind.startswith(_NUMBERS))

    @classmethod
    def open(cls, path: Path) -> Table:
        """Load a CSV file with a header line. Raises Invalid when it cannot be read or has nothing to chart."""
        connection = duckdb.connect(":memory:", config={"memory_limit": _MEMORY, "threads": 1})
        try:
            connection.execute(
                f"CREATE TABLE data AS SELECT * FROM read_csv(?, header = true, auto_type_candidates = {_TYPES})",  # noqa: S608
                [str(path)],
            )
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            described = connection.execute("SELECT * FROM data LIMIT 0").description or []
        except duckdb.Error as error:
            connection.close()
            raise Invalid(f"The table {path.name} cannot be read as CSV: {error}", code="invalid_table") from error
        table = cls(connection, {name: str(kind) for name, kind, *_ in described})
        if not table.measures:
            connection.close()
            raise Invalid(f"The table {path.name} has no column of numbers to chart.", code="invalid_table")
        return table

    def run(self, query: Query, *, timeout_s: float = 5.0) -> list[tuple[Cell, ...]]:
        """Run a query. Raises Invalid (`query_too_slow`) after timeout_s, or `query_failed` with DuckDB's reason."""
        cursor = self._connection.cursor()
        with _interrupted_after(cursor, timeout_s):
            try:
                rows: list[tuple[Cell, ...]] = cursor.execute(query.sql, list(query.params)).fetchall()
                return rows
            except duckdb.InterruptException as error:
                message = f"The query took longer than {timeout_s:g} s. Ask for a shorter period or fewer groups."
                raise Invalid(message, code="query_too_slow") from error
            except duckdb.Error as error:
                raise Invalid(f"The query failed: {error}", code="query_failed") from error
            finally:
                cursor.close()

    def values(self, column: str) -> list[str] | None:
        """Return a text column's distinct values in order, or None when there are too many to list (over 200)."""
        query = f"SELECT DISTINCT {quoted(column, self)} AS v FROM data WHERE v IS NOT NULL ORDER BY v LIMIT {_FEW_VALUES + 1}"  # noqa: S608, E501 - the identifier is checked and quoted
        found = [str(row[0]) for row in self.run(Query(query, ()))]
        return found if len(found) <= _FEW_VALUES else None

    def close(self) -> None:
        """Give the memory back. The table cannot be used afterwards."""
        self._connection.close()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def quoted(column: str, table: Table) -> str:
    """Return a column's name quoted for SQL. Raises Invalid when the table has no such column."""
    if column not in table.columns:
        known = ", ".join(table.columns)
        raise Invalid(f"The table has no column {column[:60]!r}. It has: {known}.", code="unknown_column")
    return '"' + column.replace('"', '""') + '"'


@contextlib.contextmanager
def _interrupted_after(cursor: duckdb.DuckDBPyConnection, timeout_s: float) -> Iterator[None]:
    timer = threading.Timer(timeout_s, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
