"""The file of kept answers: SQLite of its own, shared by all API processes of a home.

Invariants: an entry is there whole or not at all, also after ``kill -9``; the file never grows over its bound, what was
used least recently goes first; what was emptied does not come back from requests that had begun before; a file that is
damaged, foreign or gone is begun anew, which costs nothing but misses.

Blocks, so it is for threads: each has a `Shelf` of its own.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FORMAT = 1
"""Of the tables and of the entries in them; a file of another one is begun anew."""
_PAGE = 4096
_FULL, _ROOMY = 0.9, 0.75
"""Shares of the bound: above the first, entries go until the second is reached."""
_BUSY_S = 1.0
_TOUCH_EVERY_S = 60
"""How exactly it is known when an entry was last used."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA = f"""
CREATE TABLE answers (key TEXT PRIMARY KEY, project TEXT NOT NULL, made_s INTEGER NOT NULL, used_s INTEGER NOT NULL,
    sealed BLOB NOT NULL);
CREATE INDEX answers_used ON answers (used_s);
CREATE INDEX answers_project ON answers (project);
CREATE TABLE emptied (project TEXT PRIMARY KEY, at_us INTEGER NOT NULL);
PRAGMA user_version = {FORMAT};
"""


class Shelf:
    """One thread's way to the file. All methods raise sqlite3.Error or OSError where the disk fails."""

    def __init__(self, path: Path, bytes_max: int, ttl_s: int, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock, self._ttl_s = path, clock, ttl_s
        self._pages_max = max(64, bytes_max // _PAGE)
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def get(self, key: str) -> tuple[bytes, int, bool] | None:
        """The sealed entry, its age in seconds, and whether it is time to `touch` it; None if it is not there."""
        query = "SELECT sealed, made_s, used_s FROM answers WHERE key = ?"
        row = self._with(lambda db: db.execute(query, (key,)).fetchone())
        now = int(self._clock())
        if row is None or now - row[1] >= self._ttl_s:
            return None
        return row[0], max(0, now - row[1]), now - row[2] >= _TOUCH_EVERY_S

    def put(self, key: str, project_id: str, sealed: bytes, begun_us: int) -> None:
        """Keep an entry, unless the project's were emptied after ``begun_us``."""
        now = int(self._clock())

        def insert(db: sqlite3.Connection) -> None:
            with _transaction(db):
                db.execute(
                    "INSERT OR REPLACE INTO answers SELECT ?, ?, ?, ?, ? "
                    "WHERE NOT EXISTS (SELECT 1 FROM emptied WHERE project = ? AND at_us >= ?)",
                    (key, project_id, now, now, sealed, project_id, begun_us),
                )
                if self._used(db) > _FULL * self._pages_max:
                    self._make_room(db, now)

        def attempt(db: sqlite3.Connection) -> None:
            try:
                insert(db)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                with _transaction(db):
                    self._make_room(db, now)
                insert(db)

        self._with(attempt)

    def touch(self, key: str) -> None:
        """It was used just now."""
        values = (int(self._clock()), key)
        self._with(lambda db: db.execute("UPDATE answers SET used_s = ? WHERE key = ?", values))

    def remove(self, key: str) -> None:
        """Throw one entry away."""
        self._with(lambda db: db.execute("DELETE FROM answers WHERE key = ?", (key,)))

    def empty(self, project_id: str) -> int:
        """Throw all of a project's entries away; says how many there were."""

        def work(db: sqlite3.Connection) -> int:
            with _transaction(db):
                at_us = int(self._clock() * 1e6)
                db.execute("INSERT OR REPLACE INTO emptied VALUES (?, ?)", (project_id, at_us))
                return db.execute("DELETE FROM answers WHERE project = ?", (project_id,)).rowcount

        return self._with(work)

    def size(self, project_id: str) -> tuple[int, int]:
        """Entries of a project, and their bytes."""
        query = "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM answers WHERE project = ? AND made_s > ?"
        values = (project_id, int(self._clock()) - self._ttl_s)
        count, size = self._with(lambda db: db.execute(query, values).fetchone())
        return count, size

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make_room(self, db: sqlite3.Connection, now: int) -> None:
        db.execute("DELETE FROM answers WHERE made_s <= ?", (now - self._ttl_s,))
        while self._used(db) > _ROOMY * self._pages_max:
            count = db.execute("SELECT count(*) FROM answers").fetchone()[0]
            if not count:
                return
            oldest = "SELECT rowid FROM answers ORDER BY used_s, rowid LIMIT ?"
            db.execute(f"DELETE FROM answers WHERE rowid IN ({oldest})", (max(1, count // 10),))  # noqa: S608

    @staticmethod
    def _used(db: sqlite3.Connection) -> int:
        pages: int = db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0]
        return pages

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it, on a new file if this one is damaged."""
        try:
            return work(self._open())
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
                raise
        self._begin_anew()
        return work(self._open())

    def _open(self) -> sqlite3.Connection:
        """The connection; a new one if another process has begun the file anew, or somebody took it away."""
        with contextlib.suppress(FileNotFoundError):
            if self._connection is not None and self._path.stat().st_ino == self._inode:
                return self._connection
        self.close()
        _make_private(self._path)
        inode = self._path.stat().st_ino
        connection = _connect(self._path, self._pages_max)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != FORMAT:
                _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, inode
        return connection

    def _begin_anew(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    """An empty file for its owner alone. SQLite gives the files beside it the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _connect(path: Path, pages_max: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    give_up = time.monotonic() + _BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:  # SQLite does not wait here for others who are opening it
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                db.close()
                raise
            time.sleep(0.01)
        except sqlite3.DatabaseError:
            db.close()
            raise
    # NORMAL: a power cut may take the last entries, but not the file.
    for pragma in ("synchronous=NORMAL", f"max_page_count={pages_max}", f"journal_size_limit={1 << 22}"):
        db.execute(f"PRAGMA {pragma}")
    return db


def _prepare(db: sqlite3.Connection) -> None:
    """The tables, made by whoever comes first. What another format has left is dropped."""
    with _transaction(db):
        if db.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
            return
        for table in ("answers", "emptied"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
