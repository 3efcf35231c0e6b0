"""The chain over the ledger: appended in order by whoever posts; whatever is done to it shows. On both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from argosy import billing
from argosy.billing import RECEIVABLE, REVENUE, Entry, ledger
from argosy.runtime import Database, migrations

from .conftest import Meter


def transfer(name: str, amount: int = 5) -> list[Entry]:
    return [
        Entry(name, RECEIVABLE, "proj_a", amount, "USD"),
        Entry(name, REVENUE, "proj_a", -amount, "USD", "ship", "input", party="哈"),
    ]


@pytest.fixture
def posted(database: Database) -> Database:
    for n in range(4):
        with database.write() as tx:
            ledger.post(tx, transfer(f"t{n}a") + transfer(f"t{n}b"))
    return database


def verified(database: Database, known: str | None = None) -> ledger.Verification:
    with database.read() as tx:
        return ledger.verify(tx, known)


def test_an_untouched_ledger_is_found_in_order(posted: Database) -> None:
    found = verified(posted)
    assert (found.problems, found.blocks, found.entries, found.older) == ([], 4, 16, 0)
    with posted.write() as tx:
        ledger.post(tx, transfer("later"))
    assert verified(posted, known=found.head).problems == []


def test_an_empty_ledger_is_in_order(database: Database) -> None:
    assert verified(database).problems == []
    assert verified(database, known="ab" * 32).problems != []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ledger_entries SET amount = amount + 1 WHERE id IN (5)", "block 2, entries 5 to 8, was changed"),
        ("UPDATE ledger_entries SET model = 'other' WHERE id = 6", "block 2, entries 5 to 8, was changed"),
        ("UPDATE ledger_entries SET created_at = 1 WHERE id = 16", "block 4, entries 13 to 16, was changed"),
        ("DELETE FROM ledger_entries WHERE id = 7", "block 2 should have 4 entries"),
        ("DELETE FROM ledger_entries WHERE id > 14", "block 4 should have 4 entries"),
        ("DELETE FROM ledger_blocks WHERE number = 2", "block 2 is missing"),
        ("DELETE FROM ledger_blocks WHERE number = 4", "4 entries after 12 are in no block"),
        ("UPDATE ledger_blocks SET hash = '" + "0" * 64 + "' WHERE number = 3", "block 3"),
        ("UPDATE ledger_head SET number = 3, last_entry = 12", "its head says 3"),
        ("DELETE FROM ledger_head", "the head of the chain is missing"),
        (
            "INSERT INTO ledger_entries SELECT 17, 'new', account, project_id, 0, currency, model, quantity, usage_id, "
            "created_at, party FROM ledger_entries WHERE id = 1",
            "1 entries after 16 are in no block",
        ),
    ],
)
def test_whatever_is_done_to_it_shows(posted: Database, change: str, said: str) -> None:
    columns = "id, transaction_id, account, project_id, amount, currency, model, quantity, usage_id, created_at, party"
    with posted.write() as tx:
        tx.execute(text(change.replace("INTO ledger_entries", f"INTO ledger_entries ({columns})")))
    assert said in "; ".join(verified(posted).problems)


def test_a_ledger_made_anew_is_told_by_a_hash_that_was_noted(posted: Database) -> None:
    noted = verified(posted).head
    with posted.write() as tx:
        for table in ("ledger_entries", "ledger_blocks", "ledger_head"):
            tx.execute(text(f"DELETE FROM {table}"))
        ledger.post(tx, transfer("t0a", 6))
    assert verified(posted).problems == []
    assert "another ledger" in verified(posted, known=noted).problems[0]


def test_many_who_post_at_once_make_one_chain_without_gaps(database: Database, meter: Meter) -> None:
    def post(worker: int) -> None:
        for n in range(10):
            with database.write() as tx:
                billing.record(tx, [meter.event(f"req_{worker}_{n}", prompt_tokens=1_000)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(post, range(8)))
    found = verified(database)
    assert (found.problems, found.blocks, found.entries) == ([], 80, 160)


def test_what_fails_leaves_no_gap(database: Database) -> None:
    def fail() -> None:
        with database.write() as tx:
            ledger.post(tx, transfer("lost"))
            ledger.post(tx, transfer("lost again")[:1])

    with pytest.raises(ValueError, match="balance"):
        fail()
    with database.write() as tx:
        ledger.post(tx, transfer("kept"))
    assert (found := verified(database)).entries == 2
    assert found.problems == []


def test_entries_from_before_the_chain_stay_outside(empty_database: Database) -> None:
    migrations.migrate(empty_database, "0012")
    with empty_database.write() as tx:
        for account, amount in (("receivable", 5), ("revenue", -5)):
            values = f"'old', '{account}', 'proj_a', {amount}, 'USD', '', '', 1"
            columns = "transaction_id, account, project_id, amount, currency, model, quantity, created_at"
            tx.execute(text(f"INSERT INTO ledger_entries ({columns}) VALUES ({values})"))
    migrations.migrate(empty_database)
    with empty_database.write() as tx:
        ledger.post(tx, transfer("new"))
    found = verified(empty_database)
    assert (found.problems, found.older, found.entries) == ([], 2, 2)
