"""Migrations lead to exactly the tables that the code uses, on both databases, however often and together they run."""

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Boolean, Float, Integer, LargeBinary, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from argosy.app import register_tables
from argosy.runtime import Database, metadata
from argosy.runtime.migrations import is_current, migrate, revisions

register_tables()


def test_the_migrated_database_is_the_one_the_code_expects(empty_database):
    migrate(empty_database)
    with empty_database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_migrating_twice_changes_nothing(empty_database):
    assert is_current(empty_database) is False
    migrate(empty_database)
    migrate(empty_database)
    assert is_current(empty_database) is True


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_a_database_that_is_in_use_keeps_every_row(empty_database, revision):
    migrate(empty_database, revision)
    kept = fill(empty_database)
    assert kept >= {"projects", "deployments", "replicas"}
    migrate(empty_database)
    with empty_database.read() as tx:
        assert {name for name in kept if not tx.execute(text(f"SELECT count(*) FROM {name}")).scalar()} == set()
        assert tx.execute(text("SELECT name FROM projects")).scalars().all() == ["row"]


def test_sqlite_checks_foreign_keys_after_a_rebuild_and_in_it(home):
    database = Database(f"sqlite:///{home / 'argosy.sqlite'}")
    migrate(database)
    orphan = text("INSERT INTO projects (id, organization_id, name, created_at) VALUES ('p', 'nobody', 'p', 1)")
    with pytest.raises(sqlite3.IntegrityError, match="projects"), database.rebuild() as tx:
        tx.execute(orphan)
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(orphan)


def test_answers_that_were_kept_before_get_their_worth(empty_database):
    migrate(empty_database, "0008")
    price = ("price_1", "tiny", 1, "USD", 1_500_000, 1, 2_500_000, 1, 1)
    with empty_database.write() as tx:
        tx.execute(text(f"INSERT INTO price_versions VALUES {price}"))
        found = Table("usage_events", MetaData(), autoload_with=tx)
        plain = {column.name: value_of(column, tx) for column in found.columns if not column.foreign_keys}
        for name, prompt, completion, discount in [("a", 3, 1, 0), ("b", 3, 1, 50), ("c", 0, 0, 0)]:
            saved = {"saved_prompt_tokens": prompt, "saved_completion_tokens": completion}
            row = {**plain, "id": name, "price_version": "price_1", "discount": discount, **saved}
            tx.execute(insert(found).values(row))
    migrate(empty_database)
    with empty_database.read() as tx:
        worth = tx.execute(text("SELECT id, saved_amount FROM usage_events ORDER BY id")).all()
    assert [tuple(row) for row in worth] == [("a", 5 + 3), ("b", 2 + 1), ("c", 0)]  # 4.5 and 2.5; 2.25 and 1.25


def fill(database):
    """One row in every table of the database as it stands, whatever its columns; the tables' names."""
    found = MetaData()
    found.reflect(database.engine)
    tables = [table for table in found.sorted_tables if table.name != "alembic_version"]
    with database.write() as tx:
        for table in tables:
            if not tx.execute(select(func.count()).select_from(table)).scalar():
                tx.execute(insert(table).values(row_of(table, tx)))
    return {table.name for table in tables}


def row_of(table: Table, tx):
    return {column.name: value_of(column, tx) for column in table.columns}


def value_of(column, tx):
    for key in column.foreign_keys:
        return tx.execute(select(key.column)).scalars().first()
    kinds = {Boolean: True, Integer: 1, Float: 1, LargeBinary: b"bytes", JSON: {}}
    return next((value for kind, value in kinds.items() if isinstance(column.type, kind)), "row")


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
