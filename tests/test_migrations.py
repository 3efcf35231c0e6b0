"""Migrations lead to exactly the tables that the code uses, on both databases, however often and together they run."""

import threading

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import argosy.app  # noqa: F401 (imports every package, and so registers every table)
from argosy.runtime import Database, metadata
from argosy.runtime.migrations import is_current, migrate


def test_the_migrated_database_is_the_one_the_code_expects(empty_database):
    migrate(empty_database)
    with empty_database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_migrating_twice_changes_nothing(empty_database):
    assert is_current(empty_database) is False
    migrate(empty_database)
    migrate(empty_database)
    assert is_current(empty_database) is True


def test_processes_that_migrate_at_once_take_turns(empty_database):
    failures = []

    def walk():
        try:
            migrate(Database(empty_database.url))
        except Exception as error:
            failures.append(error)

    walkers = [threading.Thread(target=walk) for _ in range(4)]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()
    assert failures == []
    assert is_current(empty_database) is True


def test_an_unreachable_database_is_neither_current_nor_old(tmp_path):
    (tmp_path / "db").mkdir()
    assert is_current(Database(f"sqlite:///{tmp_path / 'db'}")) is None
