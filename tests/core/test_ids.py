"""Ids carry their prefix and sort by the time they were made."""

import time

from argosy.core import new_id


def test_ids_sort_by_creation_time():
    first = new_id("ftjob-")
    time.sleep(0.002)
    assert first < new_id("ftjob-")


def test_ids_of_the_same_millisecond_differ():
    assert len({new_id("req_") for _ in range(10_000)}) == 10_000
