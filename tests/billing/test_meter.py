"""Each usage id is posted once, whatever happens, on both databases."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from argosy import billing
from argosy.billing import RECEIVABLE, REVENUE
from argosy.billing.ledger import store as ledger_store
from argosy.billing.reports import EventFilter, list_events
from argosy.core import Internal, Invalid, charge
from argosy.runtime import Database, read_version

from .conftest import Card, Meter


def test_an_event_becomes_a_row_and_a_balanced_transaction(database: Database, meter: Meter) -> None:
    used = meter.event("req_1", prompt_tokens=1_000, cached_tokens=200, completion_tokens=50)
    with database.write() as tx:
        assert billing.record(tx, [used]) == 1
    with database.read() as tx:
        entries = billing.list_entries(tx, "proj_a", 0, 10)
        assert {(entry.account, entry.quantity): entry.amount for entry in entries} == {
            (RECEIVABLE, ""): 120 + 15 + 30,
            (REVENUE, "input"): -120,
            (REVENUE, "cached_input"): -15,
            (REVENUE, "output"): -30,
        }
        assert {entry.usage_id for entry in entries} == {"req_1"}
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 165
        assert billing.balance(tx, "proj_b", RECEIVABLE) == 0
        assert ledger_store.unbalanced_transactions(tx) == []


def test_recording_again_changes_nothing(database: Database, meter: Meter) -> None:
    first = meter.event("req_1", prompt_tokens=1_000)
    with database.write() as tx:
        assert billing.record(tx, [first, first]) == 1
    with database.write() as tx:
        assert billing.record(tx, [meter.event("req_1", prompt_tokens=9_999), meter.event("req_2")]) == 1
    with database.read() as tx:
        assert billing.balances(tx, "proj_a") == {RECEIVABLE: 150, REVENUE: -150}


def test_many_recorders_of_the_same_events_post_each_once(database: Database, meter: Meter) -> None:
    events = [meter.event(f"req_{n:03d}", prompt_tokens=1_000) for n in range(60)]

    def post(worker: int) -> int:
        mine = events[worker::-1] + events[worker:]  # each in an order of its own
        with database.write() as tx:
            return billing.record(tx, mine)

    with ThreadPoolExecutor(8) as pool:
        posted = list(pool.map(post, range(0, 48, 3)))
    assert sum(posted) == 60
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 60 * 150
        assert ledger_store.unbalanced_transactions(tx) == []


def test_a_failure_half_way_leaves_nothing(database: Database, meter: Meter) -> None:
    lost = Meter("price_gone").event("req_2", prompt_tokens=1)
    with pytest.raises(Internal), database.write() as tx:
        billing.record(tx, [meter.event("req_1", prompt_tokens=1_000), lost])
    with database.read() as tx:
        assert billing.balances(tx, "proj_a") == {}
        assert list_events(tx, "proj_a", EventFilter()) == []


def test_the_ledger_refuses_what_does_not_balance(database: Database, meter: Meter) -> None:
    entry = billing.Entry("inv_1", RECEIVABLE, "proj_a", 5, "USD")
    for entries in ([entry], [entry, entry._replace(account=REVENUE, amount=-5, currency="CNY")]):
        with pytest.raises(ValueError, match="balance"), database.write() as tx:
            ledger_store.post(tx, entries)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7)), max_size=20))
def test_the_ledger_is_the_sum_of_the_charges(
    database: Database, meter: Meter, counts: list[tuple[int, int, int]]
) -> None:
    card = Card()
    with database.write() as tx:
        before = billing.balance(tx, "proj_a", RECEIVABLE)
        taken = len(list_events(tx, "proj_a", EventFilter(), limit=10_000))
        events = [
            meter.event(
                f"req_{taken + n}", prompt_tokens=prompt + cached, cached_tokens=cached, completion_tokens=output
            )
            for n, (prompt, cached, output) in enumerate(counts)
        ]
        assert billing.record(tx, events) == len(events)
        expected = sum(
            charge(prompt, card.input) + charge(cached, card.cached_input) + charge(output, card.output)
            for prompt, cached, output in counts
        )
        assert billing.balance(tx, "proj_a", RECEIVABLE) - before == expected
        assert ledger_store.unbalanced_transactions(tx) == []


def test_a_price_is_pinned_and_a_new_one_is_a_new_version(database: Database, meter: Meter, card: Card) -> None:
    with database.write() as tx:
        version = read_version(tx)
        assert billing.ensure_price(tx, "ship", card) == meter.price_version
        assert read_version(tx) == version
        dearer = billing.ensure_price(tx, "ship", replace(card, input=1_000_000))
        assert dearer != meter.price_version
        assert read_version(tx) == version + 1
        assert billing.current_prices(tx)["ship"].id == dearer
        billing.record(tx, [meter.event("req_old", prompt_tokens=1_000)])
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 150
        billing.record(tx, [Meter(dearer).event("req_new", prompt_tokens=1_000)])
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 1_150
        back = billing.ensure_price(tx, "ship", card)
        assert [price.id for price in billing.price_history(tx)] == [meter.price_version, dearer, back]


def test_the_same_price_set_by_many_at_once_is_one_version(database: Database, card: Card) -> None:
    def ensure(_: int) -> str:
        with database.write() as tx:
            return billing.ensure_price(tx, "ship", card)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ensure, range(12)))) == 1


def test_books_are_kept_in_one_currency(database: Database, meter: Meter, card: Card) -> None:
    with pytest.raises(Invalid, match="books are in USD"), database.write() as tx:
        billing.ensure_price(tx, "junk", replace(card, currency="CNY"))


def test_a_batch_of_any_size_posts_what_is_new(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        assert billing.record(tx, [meter.event(f"req_{number:03d}") for number in range(0, 200, 2)]) == 100
        assert billing.record(tx, [meter.event(f"req_{number:03d}") for number in range(200)]) == 100


def test_batches_of_all_sizes_share_a_few_statements(database: Database, meter: Meter) -> None:
    """Drivers keep each prepared statement: one for every size of batch would fill the memory."""
    statements = set()

    def note(_1: object, _2: object, statement: str, *_: object) -> None:
        statements.add(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    ids = itertools.count()
    with database.write() as tx:
        for size in range(1, 120):
            billing.record(tx, [meter.event(f"req_{next(ids):06d}") for _ in range(size)])
    assert len([one for one in statements if "INSERT INTO usage_events" in one]) <= 40
