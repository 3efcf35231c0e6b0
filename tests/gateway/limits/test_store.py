"""Limits in the database, on both kinds: set, listed, taken from by many at once."""

import threading

import pytest

from argosy.core import NotFound
from argosy.gateway.limits import list_limits, put_limit, remove_limit
from argosy.gateway.limits.store import Correction, Want, WindowKey, all_limits, database_now_us, exchange
from argosy.gateway.limits.window import HELD_S, SECOND_US
from argosy.identity import bootstrap, create_project
from argosy.runtime import read_version

T = 1_800_000_000 * SECOND_US


@pytest.fixture
def project_id(database):
    with database.write() as tx:
        return bootstrap(tx).project_id


def set_limit(database, project_id, requests=None, tokens=None, scope="project", subject=""):
    with database.write() as tx:
        return put_limit(tx, project_id, scope, subject, requests, tokens)


def trade(database, wants, corrections=(), now_us=T):
    with database.write() as tx:
        return exchange(tx, wants, corrections, lambda _: now_us)


def test_a_limit_is_set_changed_listed_and_taken_away(database, project_id):
    first = set_limit(database, project_id, requests=10)
    set_limit(database, project_id, tokens=5, scope="model", subject="tiny")
    changed = set_limit(database, project_id, requests=20, tokens=7)
    assert changed.id == first.id
    with database.write() as tx:
        stranger = create_project(tx, project_id, "stranger").id
        assert [(one.scope, one.requests_per_minute, one.tokens_per_minute) for one in list_limits(tx, project_id)] == [
            ("project", 20, 7),
            ("model", None, 5),
        ]
        assert list_limits(tx, stranger) == []
        assert len(all_limits(tx)) == 2
        with pytest.raises(NotFound, match="argosy limits list"):
            remove_limit(tx, stranger, first.id)
        before = read_version(tx)
        remove_limit(tx, project_id, first.id)
        assert read_version(tx) == before + 1
        assert [one.scope for one in list_limits(tx, project_id)] == ["model"]


def test_limits_that_are_set_at_once_become_one(database, project_id):
    made = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(set_limit(database, project_id, requests=n)))
        for n in range(1, 7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    with database.read() as tx:
        assert len(list_limits(tx, project_id)) == 1


def test_many_processes_at_once_never_get_more_than_there_is(database, project_id):
    limits = [set_limit(database, project_id, requests=40, tokens=300, scope="model", subject=name) for name in "ab"]
    keys = [WindowKey(limit.id, unit) for limit in limits for unit in ("requests", "tokens")]
    got, failures = [], []

    def process(number):
        try:
            for turn in range(10):
                order = keys if number % 2 else keys[::-1]
                leases = trade(database, {key: Want((3,), 8) for key in order}, now_us=T + turn * SECOND_US)
                got.extend((key, lease.units) for key, lease in leases.items())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=process, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for key in keys:
        allowed = 40 if key.unit == "requests" else 300
        assert sum(units for each, units in got if each == key) <= allowed
    assert sum(units for each, units in got if each == keys[0]) >= 38


def test_corrections_come_first_and_a_limit_that_is_gone_gives_no_lease(database, project_id):
    limit = set_limit(database, project_id, requests=10)
    key, gone = WindowKey(limit.id, "requests"), WindowKey("limit_gone", "requests")
    assert trade(database, {key: Want((10,), 0)})[key].units == 10
    back = [Correction(key, T // SECOND_US, -4), Correction(gone, T // SECOND_US, 5)]
    leases = trade(database, {key: Want((4,), 0), gone: Want((1,), 0)}, back, T + SECOND_US)
    assert {each: lease.units for each, lease in leases.items()} == {key: 4}
    assert leases[key].window.given == {T // SECOND_US: 6, T // SECOND_US + 1: 4}
    assert trade(database, {WindowKey(limit.id, "tokens"): Want((1,), 0)}) == {}
    assert trade(database, {key: Want((10,), 0)}, now_us=T + (HELD_S + 1) * SECOND_US)[key].units == 10


def test_the_clock_is_the_time(database):
    import time

    with database.read() as tx:
        assert abs(database_now_us(tx) / SECOND_US - time.time()) < 2
