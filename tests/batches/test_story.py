"""A batch from its file to its answers, whatever happens on the way."""

import threading
import time

import pytest
from sqlalchemy.exc import OperationalError
from tests.batches.conftest import USAGE, FakeApi, ask
from tests.worker import wait_until

from argosy import datasets
from argosy.core import Invalid, NotFound
from argosy.runtime.shifts import Interrupted

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_every_line_is_answered_once_and_the_answers_become_a_file(yard):
    batch = yard.create(25)
    assert (batch.status, batch.total, batch.discount) == ("validating", 0, 50)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.total, batch.completed, batch.failed) == ("completed", 25, 25, 0)
    rows = {row["custom_id"]: row for row in yard.output(batch)}
    assert rows.keys() == {f"line {number}" for number in range(25)}
    row = rows["line 7"]
    assert row["response"]["status_code"] == 200
    assert row["response"]["body"]["choices"][0]["message"]["content"] == "answer to 7"
    assert row["response"]["request_id"] == f"req_{batch.id.removeprefix('batch_')}_00008"
    assert (row["error"], row["id"]) == (None, f"batch_{row['response']['request_id']}")
    assert batch.error_file is None
    assert (batch.input_tokens, batch.cached_tokens, batch.output_tokens) == (125, 25, 50)
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    assert set(yard.api.asked.values()) == {1}
    assert 1 < yard.api.most_in_flight <= 4
    assert {headers["x-argosy-priority"] for headers in yard.api.headers} == {"batch"}
    wait_until(lambda: not (yard.settings.home / "batches" / batch.id).exists())


def test_a_file_with_mistakes_fails_with_all_of_them_and_nothing_is_asked(yard):
    rows = [ask(0), "{oops\n", ask(1), ask(0), ask(2, url="/v1/embeddings"), {**ask(3), "method": "GET"}]
    batch = yard.create(rows)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert batch.status == "failed"
    assert [(error["line"], error["code"], error["param"]) for error in batch.errors] == [
        (2, "invalid_json_line", None),
        (4, "duplicate_custom_id", "custom_id"),
        (5, "invalid_url", "url"),
        (6, "invalid_method", "method"),
    ]
    assert "line 1" in batch.errors[1]["message"]
    assert batch.failed_at is not None
    assert yard.api.asked == {}


@ONE_DATABASE
def test_files_are_checked_one_at_a_time(yard, monkeypatch):
    from argosy.batches import story

    at_once, most = [], []

    def slow(*given, check=story.check):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.05)
        at_once.pop()
        return check(*given)

    monkeypatch.setattr(story, "check", slow)
    batches = [yard.create(1) for _ in range(5)]
    yard.start_worker()
    assert {yard.end_of(batch).status for batch in batches} == {"completed"}
    assert most == [1] * 5


@ONE_DATABASE
def test_what_the_api_refuses_is_in_the_error_file_beside_the_answers(yard):
    missing = {"error": {"message": "no such model", "code": "model_not_found"}}
    yard.api.plan = lambda question, _: (404, missing, {}) if question in "13" else None
    batch = yard.create(5)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", 3, 2)
    assert {row["custom_id"] for row in yard.output(batch)} == {"line 0", "line 2", "line 4"}
    errors = {row["custom_id"]: row["response"] for row in yard.errors(batch)}
    assert errors.keys() == {"line 1", "line 3"}
    assert (errors["line 1"]["status_code"], errors["line 1"]["body"]) == (404, missing)


@ONE_DATABASE
@pytest.mark.parametrize("status", [429, 503])
def test_refusals_that_may_pass_are_waited_out_as_long_as_they_say(yard, status):
    wait = (status, {"error": {"message": "later"}}, {"retry-after": "1"})
    yard.api.plan = lambda _, before: wait if before == 0 and sum(yard.api.asked.values()) < 4 else None
    batch = yard.create(6)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.completed) == ("completed", 6)
    assert sum(yard.api.asked.values()) == 10, "four were refused, asked again once, and nobody else meanwhile"


@ONE_DATABASE
def test_a_model_that_is_away_holds_up_its_own_lines_only(yard):
    away = True
    later = (503, {"error": {"message": "no replica"}}, {"retry-after": "0.2"})
    yard.api.plan = lambda question, _: later if away and int(question) % 2 else None
    models = ("here", "away")
    rows = [ask(n, body={"model": models[n % 2], "messages": [{"content": str(n)}]}) for n in range(40)]
    batch = yard.create(rows)
    yard.start_worker()
    wait_until(lambda: yard.batch(batch.id).completed == 20)
    assert yard.batch(batch.id).status == "in_progress"
    away = False
    assert yard.end_of(batch).completed == 40


@ONE_DATABASE
def test_a_fault_is_tried_again_and_stands_after_the_third_time(yard):
    fault = (502, "<html>bad gateway</html>", {})
    plans = {"0": lambda before: fault, "1": lambda before: fault if before == 0 else None, "2": lambda _: "cut"}
    yard.api.plan = lambda question, before: plans[question](before)
    batch = yard.create(3)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert yard.api.asked == {"0": 3, "1": 2, "2": 3}
    assert (batch.status, batch.completed, batch.failed) == ("completed", 1, 2)
    errors = {row["custom_id"]: row["response"] for row in yard.errors(batch)}
    assert "bad gateway" in errors["line 0"]["body"]["error"]["message"]
    assert errors["line 2"]["body"]["error"]["code"] == "connection_lost"


@ONE_DATABASE
def test_an_answer_of_several_lines_or_of_an_odd_shape_is_one_line_of_the_file(yard):
    odd = {"0": '{\n "usage": null,\r\n "text": "a\\nb"}', "1": '{"usage": {"prompt_tokens": null}}', "2": "[1,\n2]"}
    yard.api.plan = lambda question, _: (200, odd[question], {})
    batch = yard.create(3)
    yard.start_worker()
    batch = yard.end_of(batch)
    bodies = {row["custom_id"]: row["response"]["body"] for row in yard.output(batch)}
    assert bodies == {"line 0": {"usage": None, "text": "a\nb"}, "line 1": {"usage": {"prompt_tokens": None}}}
    assert len(yard.errors(batch)) == 1


def test_a_cancelled_batch_keeps_what_was_answered_and_names_what_was_not(yard):
    yard.api.pause_s = 0.05
    batch = yard.create(200)
    yard.start_worker()
    wait_until(lambda: yard.batch(batch.id).completed >= 5)
    assert yard.cancel(batch).status == "cancelling"
    assert yard.cancel(batch).status in ("cancelling", "cancelled")
    batch = yard.end_of(batch)
    assert (batch.status, batch.total, batch.failed) == ("cancelled", 200, 0)
    assert 5 <= batch.completed < 200
    assert sum(yard.api.asked.values()) == batch.completed, "all that was asked is kept"
    assert len(yard.output(batch)) == batch.completed
    left = yard.errors(batch)
    assert {row["error"]["code"] for row in left} == {"batch_cancelled"}
    assert len(left) == 200 - batch.completed
    with pytest.raises(Invalid, match="cannot be cancelled"):
        yard.cancel(yard.end_of(yard.create(1)))


def test_a_batch_that_is_cancelled_before_any_worker_saw_it_asks_nothing(yard):
    batch = yard.create(["not even JSON\n"])
    yard.cancel(batch)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.output_file, batch.error_file, batch.errors) == ("cancelled", None, None, None)


def test_a_batch_whose_time_is_up_ends_with_what_there_is(yard):
    yard.api.pause_s = 0.05
    batch = yard.create(200)
    yard.start_worker()
    wait_until(lambda: yard.batch(batch.id).completed >= 5)
    let_expire(yard, batch)
    batch = yard.end_of(batch)
    assert (batch.status, batch.expired_at is not None) == ("expired", True)
    assert len(yard.output(batch)) == batch.completed >= 5
    assert {row["error"]["code"] for row in yard.errors(batch)} == {"batch_expired"}
    assert len(yard.errors(batch)) == 200 - batch.completed


def let_expire(yard, batch):
    from argosy.batches import store

    with yard.database.write() as tx:
        store.change(tx, batch, "in_progress", come_from=("in_progress",), expires_at=batch.created_at)


def test_a_worker_that_stops_is_quick_and_the_next_one_asks_only_what_has_no_answer(yard):
    yard.api.pause_s = 0.05
    batch = yard.create(60)
    yard.start_worker()
    wait_until(lambda: yard.batch(batch.id).completed >= 8)
    assert yard.stop_worker() < 3
    assert yard.batch(batch.id).status == "in_progress"
    asked = sum(yard.api.asked.values())
    yard.api.pause_s = 0
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.completed) == ("completed", 60)
    assert sorted(row["custom_id"] for row in yard.output(batch)) == sorted(f"line {n}" for n in range(60))
    assert batch.input_tokens == 60 * USAGE["prompt_tokens"]
    assert 60 <= sum(yard.api.asked.values()) <= 64, f"only lines in flight ran again (asked before: {asked})"


@ONE_DATABASE
def test_an_api_that_is_away_for_a_while_is_waited_for(yard, fake_api):
    fake_api.pause_s = 0.02
    batch = yard.create(200)
    yard.start_worker()
    wait_until(lambda: sum(fake_api.asked.values()) >= 20)
    fake_api.stop()
    assert sum(fake_api.asked.values()) < 200
    again = FakeApi(int(fake_api.url.rpartition(":")[2]))
    again.start()
    batch = yard.end_of(batch)
    again.stop()
    assert (batch.status, batch.completed, batch.failed) == ("completed", 200, 0)
    assert len(yard.output(batch)) == 200


def test_a_database_that_is_away_for_a_while_stops_no_line(yard, monkeypatch):
    from argosy.batches import store, story

    away, noted = threading.Event(), []

    def note(tx, batch, counts, note=store.note_progress):
        noted.append(counts.completed)
        if away.is_set():
            raise OperationalError("the database is away", None, Exception())
        note(tx, batch, counts)

    monkeypatch.setattr(story.store, "note_progress", note)
    yard.api.pause_s = 0.05
    batch = yard.create(80)
    away.set()
    yard.start_worker()
    wait_until(lambda: noted and noted[-1] == 80)
    assert yard.batch(batch.id).completed == 0
    assert yard.batch(batch.id).status in ("in_progress", "finalizing")
    away.clear()
    batch = yard.end_of(batch)
    assert (batch.status, batch.completed) == ("completed", 80)
    assert sum(yard.api.asked.values()) == 80


def test_every_stage_may_run_twice(yard):
    batcher, batch = yard.batcher(), yard.create(6)
    for stage in batcher.stages():
        before = yard.batch(batch.id)
        stage(batch.id)
        if yard.batch(batch.id).status != "completed":
            stage(batch.id)
        assert yard.batch(batch.id).created_at == before.created_at
    for stage in batcher.stages():
        assert stage(batch.id) is False
    batch = yard.batch(batch.id)
    assert (batch.status, batch.completed) == ("completed", 6)
    assert sum(yard.api.asked.values()) == 6
    with yard.database.read() as tx:
        made = datasets.list_files(tx, batch.project_id, limit=10, purposes=["batch_output"])
    assert [file.id for file in made] == [batch.output_file]


@pytest.mark.parametrize("cut_after", ["put", "add_file"])
def test_an_end_that_was_cut_short_is_made_up_for(yard, monkeypatch, cut_after):
    """As a kill would between the two: files that nobody knows of yet, and a transaction that never committed."""
    batcher, batch = yard.batcher(), yard.create(6)
    batcher.check_lines(batch.id)
    batcher.run_lines(batch.id)
    with monkeypatch.context() as patch:
        place = yard.blobs if cut_after == "put" else datasets
        patch.setattr(place, cut_after, lambda *_, **__: (_ for _ in ()).throw(Interrupted()))
        with pytest.raises(Interrupted):
            batcher.end_batch(batch.id)
    assert yard.batch(batch.id).status == "finalizing"
    batcher.end_batch(batch.id)
    batch = yard.batch(batch.id)
    assert (batch.status, len(yard.output(batch))) == ("completed", 6)


def test_two_projects_run_side_by_side_and_one_projects_batches_one_after_the_other(yard):
    yard.api.pause_s = 0.02
    first, second, theirs = yard.create(120), yard.create(4), yard.create(4, project_id=yard.stranger)
    yard.start_worker()
    assert yard.end_of(theirs).status == "completed"
    assert yard.batch(first.id).status == "in_progress"
    waiting = yard.batch(second.id)
    assert (waiting.status, waiting.total, waiting.completed) == ("in_progress", 4, 0)
    assert yard.cancel(second).status == "cancelling"
    assert yard.end_of(second).status == "cancelled"
    assert yard.batch(first.id).status == "in_progress", "to cancel one that waits takes no turn"
    assert yard.end_of(first).completed == 120


@ONE_DATABASE
def test_the_next_batch_of_a_project_has_its_turn_when_the_one_before_has_ended(yard):
    batches = [yard.create(3) for _ in range(3)]
    yard.start_worker()
    assert [yard.end_of(batch).status for batch in batches] == ["completed"] * 3


@ONE_DATABASE
def test_a_fault_of_ours_fails_the_batch_but_keeps_what_was_answered(yard, monkeypatch):
    from argosy.batches import story

    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(story, "finish", broken)
    batch = yard.create(3)
    yard.start_worker()
    batch = yard.end_of(batch)
    assert (batch.status, batch.errors[0]["code"], batch.completed) == ("failed", "internal_error", 3)
    assert len(yard.output(batch)) == 3


@ONE_DATABASE
def test_the_batch_goes_on_if_its_file_is_deleted_and_another_projects_file_is_no_file(yard):
    from argosy import batches

    batch = yard.create(3)
    with yard.database.write() as tx:
        datasets.delete_file(tx, batch.project_id, batch.input_file)
    yard.start_worker()
    assert yard.end_of(batch).status == "completed"
    theirs = yard.upload(b"{}", yard.stranger)
    request = batches.read_request({"input_file_id": theirs, "endpoint": "/v1/completions", "completion_window": "24h"})
    with yard.database.write() as tx, pytest.raises(Invalid, match="no file"):
        batches.create(tx, yard.caller, request, 50)
    with yard.database.write() as tx, pytest.raises(NotFound):
        batches.cancel(tx, yard.stranger, batch.id)
