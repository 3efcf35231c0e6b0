"""The database: SQLite in WAL mode by default, PostgreSQL by URL. The same tables and the same tests on both."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Transaction = Connection
"""What every store function takes first: an open transaction. The caller decides where it begins and ends."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the platform register here, from each package's ``tables.py``."""

UNSTORABLE: tuple[type[Exception], ...] = (DataError, OverflowError)
"""What a value raises that no column can hold: a number over 64 bits, or a text with NUL in PostgreSQL."""

_BUSY_TIMEOUT_S = 30
_WAL_RETRY_S = 0.01


class Database:
    """One pool of connections. Threads may share it; every process makes its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.is_sqlite and (path := make_url(url).database):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self.engine: Engine = create_engine(url, **self._options())
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that commits at the end, or rolls back if the block raises.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that read-then-write never fails half way.
        """
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads: it takes no write lock, and sees one consistent state."""
        with self.engine.connect().execution_options(argosy_read=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def rebuild(self) -> Iterator[Transaction]:
        """A `write` in which tables may change shape.

        SQLite alters a table by dropping it and renaming its new form, which rows that refer to it would forbid: there
        foreign keys are checked once, before the commit. Raises sqlite3.IntegrityError if a row would refer to nothing.
        """
        if not self.is_sqlite:
            with self.write() as tx:
                yield tx
            return
        with self.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys=OFF")  # without effect inside a transaction, so before it
            try:
                with connection.begin():
                    yield connection
                    if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                        raise sqlite3.IntegrityError(f"rows would refer to nothing: {lost[:3]}")
            finally:
                driver.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()

    def _options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"connect_args": {"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}}
        return {"pool_pre_ping": True}


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached, was too busy or had no disk, so that the same may work later."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions on its own: `_begin_sqlite` does
    _enter_wal_mode(connection)
    # FULL: a committed ledger entry survives a power cut, since its journal is deleted once the commit is through.
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _enter_wal_mode(connection: sqlite3.Connection) -> None:
    """A new file's change to WAL does not wait for who holds it (SQLite skips the busy timeout here), so we do."""
    give_up = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        time.sleep(_WAL_RETRY_S)


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("argosy_read", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
