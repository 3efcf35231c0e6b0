"""A new database file may be opened by several processes at once."""

import sqlite3
import threading

from argosy.runtime import Database


def test_opening_a_new_file_waits_for_whoever_writes_to_it(tmp_path):
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE theirs (id INTEGER)")
    threading.Timer(0.3, other.execute, ["COMMIT"]).start()
    database = Database(f"sqlite:///{file}")
    with database.write() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM theirs").scalar() == 0
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()
    other.close()
