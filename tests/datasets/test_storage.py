"""What is stored is paid for by the hour: each hour once, from when files came and went, whenever it is counted."""

import threading

import pytest
from sqlalchemy import update

from argosy import billing, identity
from argosy.billing import meter_mark, move_meter_mark
from argosy.billing.reports import EventFilter, list_events
from argosy.core import charge
from argosy.datasets import add_file
from argosy.datasets.storage import HOUR_US, StorageMeter
from argosy.datasets.store import stored_byte_seconds
from argosy.datasets.tables import files

HOUR = 3_600
MIB = 1 << 20
H0 = 450_000
"""An hour's number."""
PRICE = 31_250


@pytest.fixture
def projects(database):
    with database.write() as tx:
        first = identity.bootstrap(tx)
        other = identity.create_project(tx, first.project_id, "other")
        billing.ensure_price(tx, "ship", billing.Terms("USD", 0, 0, 0))
        move_meter_mark(tx, "storage", H0 * HOUR_US)
    return first.project_id, other.id


def store(database, project, size, came, went=None):
    """A file that came and went at these seconds after the hour."""
    with database.write() as tx:
        file = add_file(tx, project, "rows.jsonl", "fine-tune", size, "0" * 64)
        times = {"created_at": H0 * HOUR + came, "deleted_at": None if went is None else H0 * HOUR + went}
        tx.execute(update(files).where(files.c.id == file.id).values(times))


def units(database, project):
    with database.read() as tx:
        found = list_events(tx, project, EventFilter(), newest_first=False, limit=1000)
    return {int(line.id.rpartition("_")[2]) - H0: line.units["measured"] for line in found}


def count(database, until):
    meter, hours = StorageMeter(database), 0
    while meter.count_hour((H0 + until) * HOUR_US + 1):
        hours += 1
    return hours


def test_bytes_times_the_time_that_they_lay_there(database, projects):
    first, other = projects
    store(database, first, 10 * MIB, came=-999)  # the whole hour
    store(database, first, 10 * MIB, came=HOUR // 2)  # from the half on
    store(database, first, 40 * MIB, came=-999, went=HOUR // 4)  # a quarter
    store(database, first, 999 * MIB, came=-999, went=0)  # gone before
    store(database, first, 999 * MIB, came=3 * HOUR)  # not yet there
    store(database, other, 1, came=10, went=11)
    assert count(database, 2) == 2
    assert units(database, first) == {0: 10 + 5 + 10, 1: 10 + 10}
    assert units(database, other) == {0: 1}, "rounded up to a whole one"
    with database.read() as tx:
        assert billing.balance(tx, first, "receivable") == 0, "without a price it is counted and costs nothing"


def test_an_hour_that_is_counted_late_comes_to_the_same(database, projects):
    first, _ = projects
    store(database, first, 7 * MIB, came=0, went=5 * HOUR)
    assert count(database, 30) == 30
    assert units(database, first) == {number: 7 for number in range(5)}
    assert count(database, 30) == 0
    with database.read() as tx:
        assert meter_mark(tx, "storage") == (H0 + 30) * HOUR_US


def test_a_price_holds_for_the_hours_after_it(database, projects):
    first, _ = projects
    store(database, first, 100 * MIB, came=0)
    count(database, 1)
    with database.write() as tx:
        billing.ensure_price(tx, "storage", billing.Terms("USD", 0, 0, 0, measured={"storage_mib_hours": PRICE}))
    count(database, 3)
    with database.read() as tx:
        found = list_events(tx, first, EventFilter(), newest_first=False)
        assert [line.total for line in found] == [0, charge(100, PRICE), charge(100, PRICE)]
        assert billing.balance(tx, first, "receivable") == 2 * charge(100, PRICE)
        assert {(line.kind, line.model, line.measured) for line in found} == {
            ("storage", "storage", "storage_mib_hours")
        }


def test_workers_that_count_at_once_count_once(database, projects):
    first, _ = projects
    store(database, first, 3 * MIB, came=0)
    threads = [threading.Thread(target=count, args=(database, 12)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert units(database, first) == {number: 3 for number in range(12)}


def test_a_clock_that_is_set_back_counts_nothing_again(database, projects):
    first, _ = projects
    store(database, first, 3 * MIB, came=0)
    count(database, 5)
    assert not StorageMeter(database).count_hour((H0 + 2) * HOUR_US)
    with database.write() as tx:
        move_meter_mark(tx, "storage", H0 * HOUR_US)
        assert meter_mark(tx, "storage") == (H0 + 5) * HOUR_US


def test_a_new_platform_begins_with_the_hour_it_is_in(database):
    with database.write() as tx:
        project = identity.bootstrap(tx).project_id
    store(database, project, 5 * MIB, came=-50 * HOUR)
    meter = StorageMeter(database)
    assert not meter.count_hour((H0 + 1) * HOUR_US)
    assert not meter.count_hour((H0 + 3) * HOUR_US), "it waits until the books have a currency"
    with database.write() as tx:
        billing.ensure_price(tx, "ship", billing.Terms("CNY", 0, 0, 0))
    assert count(database, 3) == 2
    assert units(database, project) == {1: 5, 2: 5}
    with database.read() as tx:
        assert billing.current_prices(tx)["storage"].currency == "CNY"


def test_sums_beyond_32_bits(database, projects):
    first, _ = projects
    store(database, first, 1 << 50, came=0)
    with database.read() as tx:
        assert stored_byte_seconds(tx, H0 * HOUR, (H0 + 1) * HOUR) == {first: (1 << 50) * HOUR}
