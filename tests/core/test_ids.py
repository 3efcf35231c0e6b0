"""Ids carry their prefix and sort by the time they were made."""

import time
from concurrent.futures import ThreadPoolExecutor

from argosy.core import new_id


def test_ids_sort_by_creation_time():
    first = new_id("ftjob-")
    time.sleep(0.002)
    assert first < new_id("ftjob-")


def test_ids_of_the_same_millisecond_differ():
    assert len({new_id("req_") for _ in range(10_000)}) == 10_000


def test_ids_of_one_process_sort_in_the_order_they_were_made():
    made = [new_id("proj_") for _ in range(5_000)]
    assert made == sorted(made)


def test_a_clock_that_is_set_back_does_not_put_an_id_before_the_last(monkeypatch):
    before = new_id("ftjob-")
    monkeypatch.setattr("argosy.core.ids.time.time_ns", lambda: 1)
    assert new_id("ftjob-") > before


def test_threads_do_not_share_an_id():
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: new_id("req_"), range(20_000)))
    assert len(set(made)) == len(made)
