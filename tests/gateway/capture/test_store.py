"""What is kept lies within its bounds, and what is deleted is gone, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from argosy.core import now, now_us
from argosy.gateway.capture import CaptureSpec, Sweeper
from argosy.gateway.capture.rows import CaptureRow, FeedbackRow, Wanted
from argosy.gateway.capture.settings import CaptureSettings
from argosy.gateway.capture.spec import read, write
from argosy.gateway.capture.store import (
    add_captures,
    count_captures,
    delete_capture,
    delete_captures,
    find_capture,
    kept,
    list_captures,
    list_feedback,
    put_feedback,
    put_spec,
    stored_spec,
)
from argosy.identity import bootstrap, create_project
from argosy.redaction.document import Pattern, Rules

EVERYTHING = CaptureSpec(0.25, ("a", "b"), Rules(("email",), (Pattern("x", "y"),), ("user",)), 7, 10, 100_000)


@pytest.fixture
def projects(database):
    with database.write() as tx:
        mine = bootstrap(tx).project_id
        other = create_project(tx, mine, "other").id
        for project in (mine, other):
            put_spec(tx, project, CaptureSpec())
    return mine, other


def row(project, number, size=100, **members):
    made = CaptureRow(
        id=f"req_{project[-6:]}_{number:05}", project_id=project, key_id="key_1", created_at=now() - 1000 + number,
        model="alias", served_by="tiny", kind="chat.completion", outcome="complete", prompt_tokens=1, cached_tokens=0,
        completion_tokens=1, sealed=b"x" * size,
    )  # fmt: skip
    return replace(made, **members)


def add(database, project, *rows, began_us=None):
    with database.write() as tx:
        return add_captures(tx, project, [(one, began_us or now_us()) for one in rows])


def said(one, rating=1.0, key="key_1", corrects=False):
    return FeedbackRow(one.project_id, one.id, key, rating, corrects, now_us(), b"sealed")


def ids(database, project, **wanted):
    with database.read() as tx:
        found = list_captures(tx, project, Wanted(**wanted), limit=1000, newest=False)
        assert count_captures(tx, project, Wanted(**wanted)) == len(found)
    return [one.id for one in found]


def holds(database, project):
    """The counts are what is there."""
    with database.read() as tx:
        found = list_captures(tx, project, Wanted(), limit=10_000)
        assert kept(tx, project) == (len(found), sum(len(one.sealed) for one in found))
        return len(found)


def test_settings_are_each_projects_own(database):
    settings = CaptureSettings(database)
    with database.write() as tx:
        mine = bootstrap(tx).project_id
        other = create_project(tx, mine, "other").id
        assert stored_spec(tx, mine) is None
    settings.refresh()
    assert settings.of(mine) is None
    for spec in (EVERYTHING, CaptureSpec(), None, EVERYTHING):
        with database.write() as tx:
            put_spec(tx, mine, spec)
            assert stored_spec(tx, mine) == spec
        assert settings.refresh() is True
        assert (settings.of(mine), settings.of(other)) == (spec, None)
    assert settings.refresh() is False
    assert read(write(EVERYTHING)) == EVERYTHING


def test_a_share_is_the_same_for_the_same_request():
    spec = CaptureSpec(share=0.3)
    drawn = [f"req_{number}" for number in range(2000) if spec.takes(f"req_{number}", "m")]
    assert 480 < len(drawn) < 720
    assert drawn == [f"req_{number}" for number in range(2000) if CaptureSpec(share=0.3).takes(f"req_{number}", "n")]
    assert not any(CaptureSpec(share=0).takes(one, "m") for one in drawn)
    assert all(CaptureSpec(share=1).takes(one, "m") for one in drawn)
    assert set(drawn) <= {
        f"req_{number}" for number in range(2000) if CaptureSpec(share=0.6).takes(f"req_{number}", "m")
    }


def test_projects_do_not_see_each_other(database, projects):
    mine, other = projects
    one = row(mine, 1)
    assert add(database, mine, one) == 1
    with database.write() as tx:
        assert find_capture(tx, other, one.id) is None
        assert find_capture(tx, mine, one.id) == one
        assert not delete_capture(tx, other, one.id)
        assert not put_feedback(tx, replace(said(one), project_id=other))
        assert delete_captures(tx, other) == 0
        assert list_feedback(tx, other, [one.id]) == []
    assert ids(database, mine) == [one.id]
    assert ids(database, other) == []


def test_the_same_request_is_kept_once(database, projects):
    mine, _ = projects
    assert add(database, mine, row(mine, 1), row(mine, 1)) == 1
    assert add(database, mine, row(mine, 1), row(mine, 2)) == 1
    assert holds(database, mine) == 2


def test_many_writers_keep_exact_counts(database, projects):
    mine, _ = projects
    with database.write() as tx:
        put_spec(tx, mine, CaptureSpec(rows_max=50))

    def work(number):
        add(database, mine, *(row(mine, number * 10 + each) for each in range(10)))
        if number % 3 == 0:
            with database.write() as tx:
                delete_capture(tx, mine, row(mine, number * 10).id)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(30)))
    assert holds(database, mine) <= 50


def test_the_oldest_go_first_and_rated_ones_last(database, projects):
    mine, _ = projects
    with database.write() as tx:
        put_spec(tx, mine, CaptureSpec(rows_max=20))
    rows = [row(mine, number) for number in range(20)]
    add(database, mine, *rows)
    with database.write() as tx:
        for one in rows[:3]:
            assert put_feedback(tx, said(one))
    add(database, mine, row(mine, 20))
    assert ids(database, mine) == [one.id for one in (*rows[:3], *rows[5:], row(mine, 20))]
    holds(database, mine)


def test_the_bound_in_bytes_holds(database, projects):
    mine, _ = projects
    with database.write() as tx:
        put_spec(tx, mine, CaptureSpec(bytes_max=10_000))
    for number in range(30):
        add(database, mine, row(mine, number, size=1000))
        with database.read() as tx:
            assert kept(tx, mine)[1] <= 10_000
    assert ids(database, mine)[-1] == row(mine, 29).id
    add(database, mine, row(mine, 99, size=20_000))
    assert holds(database, mine) == 0


def test_what_is_deleted_is_gone_with_what_was_said_of_it(database, projects):
    mine, _ = projects
    began_us = now_us()
    rows = [row(mine, number) for number in range(5)]
    add(database, mine, *rows)
    with database.write() as tx:
        for one in rows:
            put_feedback(tx, said(one))
        assert delete_capture(tx, mine, rows[0].id)
        assert not delete_capture(tx, mine, rows[0].id)
    assert holds(database, mine) == 4
    with database.write() as tx:
        assert delete_captures(tx, mine) == 4
    assert holds(database, mine) == 0
    with database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM capture_feedback").scalar() == 0
        assert tx.exec_driver_sql("SELECT count(*) FROM captures").scalar() == 0
    assert add(database, mine, row(mine, 9), began_us=began_us) == 0
    assert add(database, mine, row(mine, 9)) == 1


def test_nothing_comes_in_where_it_is_off(database, projects):
    mine, _ = projects
    with database.write() as tx:
        put_spec(tx, mine, None)
    assert add(database, mine, row(mine, 1)) == 0


def test_what_was_kept_long_enough_is_swept_even_if_it_is_off(database, projects):
    mine, other = projects
    old = now() - 40 * 86_400
    rows = [row(mine, number, created_at=old) for number in range(3)]
    add(database, mine, *rows, row(mine, 9))
    add(database, other, row(other, 1, created_at=old))
    assert ids(database, mine) == [row(mine, 9).id]  # what is due is not shown, swept or not
    with database.write() as tx:
        put_spec(tx, mine, None)
    assert Sweeper(database).sweep() == 4
    assert Sweeper(database).sweep() == 0
    assert (holds(database, mine), holds(database, other)) == (1, 0)


def test_new_days_hold_for_what_is_kept(database, projects):
    mine, _ = projects
    add(database, mine, row(mine, 1, created_at=now() - 10 * 86_400))
    with database.write() as tx:
        put_spec(tx, mine, CaptureSpec(days=5))
    assert ids(database, mine) == []
    with database.write() as tx:
        put_spec(tx, mine, CaptureSpec(days=50))
    assert len(ids(database, mine)) == 1


def test_a_key_says_one_thing_and_keys_are_averaged(database, projects):
    mine, _ = projects
    one = row(mine, 1)
    add(database, mine, one)

    def rate(**members):
        with database.write() as tx:
            assert put_feedback(tx, said(one, **members))
            found = find_capture(tx, mine, one.id)
            return found.rating, found.corrected

    assert rate(rating=1.0) == (1.0, False)
    assert rate(rating=-1.0, corrects=True) == (-1.0, True)
    assert rate(rating=0.5, key="key_2") == (-0.25, True)
    assert rate(rating=0.5) == (0.5, False)
    with database.read() as tx:
        assert [each.key_id for each in list_feedback(tx, mine, [one.id])] == ["key_2", "key_1"]


def test_keys_that_rate_at_once_are_all_counted(database, projects):
    mine, _ = projects
    one = row(mine, 1)
    add(database, mine, one)

    def rate(number):
        with database.write() as tx:
            return put_feedback(tx, said(one, rating=float(number % 2), key=f"key_{number}"))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(rate, range(20)))
    with database.read() as tx:
        assert find_capture(tx, mine, one.id).rating == 0.5


def test_filters_and_pages(database, projects):
    mine, _ = projects
    at = now() - 500
    rows = [row(mine, number, created_at=at + number // 3, model=f"m{number % 2}") for number in range(10)]
    add(database, mine, *rows)
    with database.write() as tx:
        for number, rating in enumerate((1.0, -1.0, 0.0, 0.5)):
            put_feedback(tx, said(rows[number], rating=rating))

    def numbers(**wanted):
        return [int(one[-5:]) for one in ids(database, mine, **wanted)]

    assert numbers(model="m1") == [1, 3, 5, 7, 9]
    assert numbers(model="tiny") == list(range(10))
    assert numbers(model="other") == []
    assert (numbers(rating="up"), numbers(rating="down"), numbers(rating="neutral")) == ([0, 3], [1], [2])
    assert (numbers(rating="any"), numbers(rating="none")) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])
    assert numbers(since=at + 1, until=at + 2) == [3, 4, 5]
    for newest in (True, False):
        seen, after = [], None
        while True:
            with database.read() as tx:
                page = list_captures(tx, mine, Wanted(), limit=3, after=after, newest=newest)
            if not page:
                break
            seen += [one.id for one in page]
            after = page[-1]
        assert seen == sorted(ids(database, mine), reverse=newest)
