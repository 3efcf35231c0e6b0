"""What was posted is taken back by new entries: never more than it was, each line exactly, with the owners' shares."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.fresh import fresh_database

from argosy import billing, identity
from argosy.billing import Entry, corrections, funds, ledger, shares
from argosy.core import Conflict, Invalid, NotFound
from argosy.runtime import Database

from .conftest import Card, Meter
from .test_shares import TERMS, agree, books_are_sound, owed, record


def correct(database: Database, transaction: str, amount: int | None = None, key: str = "") -> corrections.Correction:
    with database.write() as tx:
        key = key or f"{transaction} {amount} {len(corrections.list_corrections(tx))}"
        return corrections.correct(tx, transaction, amount, reason="wrong", idempotency_key=key, key_id="key")


def balances(database: Database) -> dict[str, int]:
    with database.read() as tx:
        return {one.account: one.balance for one in ledger.trial_balance(tx) if one.balance}


@pytest.fixture
def used(database: Database, meter: Meter) -> Database:
    agree(database)
    record(database, meter.event("req_1", prompt_tokens=1_000_000, completion_tokens=500_000))  # 150,000 and 300,000
    return database


def test_a_charge_is_taken_back_with_the_owners_share(used: Database) -> None:
    made = correct(used, "req_1")
    assert (made.amount, made.currency) == (450_000, "USD")
    assert balances(used) == {"revenue": -450_000, "correction": 450_000}
    assert owed(used) == {"lab": 0}
    books_are_sound(used)


def test_parts_add_up_to_all_and_no_more(used: Database) -> None:
    correct(used, "req_1", 100_001)
    assert owed(used) == {"lab": 90_000 - 20_000}
    correct(used, "req_1", 349_998)
    with pytest.raises(Conflict, match=r"0\.000001 USD are left"):
        correct(used, "req_1", 2)
    correct(used, "req_1")
    with pytest.raises(Conflict, match="Nothing is left"):
        correct(used, "req_1")
    assert balances(used) == {"revenue": -450_000, "correction": 450_000}
    books_are_sound(used)


def test_asking_twice_with_one_key_corrects_once(used: Database) -> None:
    first = correct(used, "req_1", 5, key="a")
    assert correct(used, "req_1", 5, key="a") == correct(used, "req_1", None, key="a") == first
    with pytest.raises(Conflict, match="was used for"):
        correct(used, "req_1", 6, key="a")


def test_many_at_once_take_back_no_more_than_there_was(used: Database) -> None:
    def one(n: int) -> int:
        try:
            return correct(used, "req_1", 100_000, key=f"at once {n}").amount
        except Conflict:
            return 0

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(8))) == 400_000
    assert balances(used)["receivable"] == 50_000
    books_are_sound(used)


def test_what_is_not_there_or_has_a_way_back_of_its_own_is_refused(used: Database) -> None:
    with pytest.raises(NotFound):
        correct(used, "req_none")
    for amount in (0, -5):
        with pytest.raises(Invalid):
            correct(used, "req_1", amount)
    made = correct(used, "req_1", 5)
    with used.write() as tx:
        moves = [Entry("inv_1", "invoiced", "proj_a", 5, "USD"), Entry("inv_1", "receivable", "proj_a", -5, "USD")]
        ledger.post(tx, moves)
    for transaction in ("inv_1", made.id):
        with pytest.raises(Conflict, match="credit notes"):
            correct(used, transaction)


def test_a_payout_that_did_not_arrive_is_owed_again(used: Database) -> None:
    with used.write() as tx:
        paid = shares.pay_out(tx, "lab", 50_000, "USD", idempotency_key="p", key_id="key")
    correct(used, paid.id)
    assert owed(used) == {"lab": 90_000}
    with pytest.raises(Conflict):
        correct(used, paid.id)
    books_are_sound(used)


def test_what_a_provider_asks_is_owed_all_the_same(used: Database) -> None:
    with used.write() as tx:
        moves = [("provider_cost", 70), ("provider_payable", -70)]
        ledger.post(tx, [Entry("req_1", name, "proj_a", n, "USD", "ship", "", "req_1", "prov") for name, n in moves])
    correct(used, "req_1")
    assert balances(used)["provider_payable"] == -70
    books_are_sound(used)


def test_what_a_fund_paid_can_be_spent_again(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        organization = identity.bootstrap(tx).organization_id
        fund = funds.ensure_prepaid(tx, organization, "organization", organization, "USD")
    event = msgspec.structs.replace(meter.event("req_1"), fund=fund.id)
    record(database, event)  # it costs nothing: what paid for it is posted here
    with database.write() as tx:
        lines = [("credits", 70), ("prepaid", 30), ("revenue", -100)]
        ledger.post(tx, [Entry("req_1", name, "proj_a", n, "USD", "ship", "", "req_1") for name, n in lines])
    correct(database, "req_1", 80)
    with database.read() as tx:
        kept = tx.execute(text("SELECT kind, amount, remaining FROM fund_credits ORDER BY position")).all()
        allowed = tx.execute(text("SELECT allowed FROM funds")).scalar()
    assert sorted(tuple(row) for row in kept) == [("grant", 70, 70), ("top_up", 10, 10)]
    assert allowed == 80
    assert balances(database) == {"prepaid": 20, "revenue": -100, "correction": 80}
    books_are_sound(database)


@settings(max_examples=30, deadline=None)
@given(
    tokens=st.tuples(st.integers(1, 50), st.integers(0, 50)),
    points=st.integers(0, 10_000),
    parts=st.lists(st.integers(1, 20), max_size=8),
)
def test_any_parts_come_to_the_whole_line_by_line(tmp_path_factory, tokens, points, parts) -> None:
    database = fresh_database(tmp_path_factory.mktemp("home") / "argosy.sqlite")
    with database.write() as tx:
        meter = Meter(billing.ensure_price(tx, "ship", Card(input=10**6, output=2 * 10**6)))
    agree(database, replace(TERMS, basis_points=points, per_million_tokens=700_000))
    record(database, meter.event("req_1", prompt_tokens=tokens[0], completion_tokens=tokens[1]))
    left, share = tokens[0] + 2 * tokens[1], owed(database)["lab"]
    for part in parts:
        if part < left:
            correct(database, "req_1", part)
            left -= part
            assert 0 <= owed(database)["lab"] <= share
            assert balances(database)["receivable"] == left
    correct(database, "req_1")
    charged = tokens[0] + 2 * tokens[1]
    assert balances(database) == {"revenue": -charged, "correction": charged}
    with database.read() as tx:
        signs = tx.execute(text("SELECT count(*) FROM ledger_entries WHERE account = 'receivable' AND amount > 0"))
        assert signs.scalar() == 1
    books_are_sound(database)
    database.close()
