"""Usage over time: every event in exactly one bucket."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy import billing
from argosy.billing.reports import EventFilter, Question, get_event, list_events, report
from argosy.runtime import Database

from .conftest import Meter


def test_buckets_group_and_filter(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        billing.record(
            tx,
            [
                meter.event("req_1", at=10, prompt_tokens=10, cached_tokens=4, completion_tokens=1),
                meter.event("req_2", at=70, prompt_tokens=20, model="other"),
                meter.event("req_3", at=80, prompt_tokens=30, project="proj_b", key_id="key_b"),
                meter.event("ftjob-1", at=80, kind="training", training_tokens=9),
            ],
        )
        question = Question(0, 180, 60, 10, ("model", "project_id"))
        buckets, following = report(tx, ["proj_a", "proj_b"], question, training=False)
        assert following is None
        assert [(bucket.start_time, bucket.end_time) for bucket in buckets] == [(0, 60), (60, 120), (120, 180)]
        assert [[(*total.group.values(), total.units["input"]) for total in bucket.results] for bucket in buckets] == [
            [("proj_a", "ship", 6)],
            [("proj_a", "other", 20), ("proj_b", "ship", 30)],
            [],
        ]
        only = Question(0, 180, 180, 10, (), {"key_id": ["key_b"]})
        (bucket,), _ = report(tx, ["proj_a", "proj_b"], only, training=True)
        assert [total.events for total in bucket.results] == [1]
        (bucket,), _ = report(tx, ["proj_a"], Question(0, 180, 180, 10), training=True)
        assert [(total.events, total.units["training"], total.amounts["training"]) for total in bucket.results] == [
            (3, 9, 27)
        ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 7_199), max_size=20),
    bounds=st.tuples(st.integers(0, 7_199), st.integers(1, 3_600)),
    width=st.sampled_from([60, 3_600]),
    limit=st.integers(1, 50),
)
def test_the_pages_of_a_report_hold_every_event_once(
    database: Database, meter: Meter, times: list[int], bounds: tuple[int, int], width: int, limit: int
) -> None:
    start, end = bounds[0], bounds[0] + bounds[1]
    with database.write() as tx:
        taken = len(list_events(tx, "proj_a", EventFilter(), limit=9_999))
        billing.record(tx, [meter.event(f"req_{taken + n}", at=at) for n, at in enumerate(times)])
        everything = list_events(tx, "proj_a", EventFilter(start, end), limit=9_999)
        position, counted, edges = start, 0, []
        while position is not None:
            buckets, position = report(tx, ["proj_a"], Question(position, end, width, limit), training=True)
            assert 0 < len(buckets) <= limit
            counted += sum(total.events for bucket in buckets for total in bucket.results)
            edges += [(bucket.start_time, bucket.end_time) for bucket in buckets]
    assert counted == len(everything)
    assert (edges[0][0], edges[-1][1]) == (start, end)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(edges))


def test_events_are_paged_in_both_directions(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        billing.record(tx, [meter.event(f"req_{n}", at=n // 3) for n in range(10)])
        for newest_first in (True, False):
            seen: list[str] = []
            while page := list_events(
                tx, "proj_a", EventFilter(), after=seen[-1] if seen else None, limit=3, newest_first=newest_first
            ):
                seen += [line.id for line in page]
            assert seen == [f"req_{n}" for n in (range(9, -1, -1) if newest_first else range(10))]
        assert list_events(tx, "proj_b", EventFilter()) == []


def test_an_event_shows_how_its_amount_came_about(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        billing.record(tx, [meter.event("req_1", prompt_tokens=100, cached_tokens=900, completion_tokens=10)])
        line = get_event(tx, "proj_a", "req_1")
    assert line.units == {"input": 0, "cached_input": 100, "output": 10, "training": 0, "measured": 0}
    assert line.amounts == {"input": 0, "cached_input": 8, "output": 6, "training": 0, "measured": 0}
    assert (line.unit_prices["output"], line.total, line.invoice_id) == (600_000, 14, None)
