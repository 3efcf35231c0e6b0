"""Answers on disk: what was added is there, whatever cut the process off."""

import json
from contextlib import closing

import pytest

from argosy.batches.results import Results, read_answer
from argosy.batches.store import Counts

BODY = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
ONE = Counts(1, 0, 3, 0, 2)


@pytest.fixture
def reopen(tmp_path):
    return lambda: closing(Results(tmp_path / "batch_1", "batch_1"))


def add(results, number, status=200, body=BODY):
    results.add(read_answer(number, f"q{number}", status, body))


def test_what_was_added_is_done_after_any_end(reopen):
    with reopen() as results:
        for number in (1, 3, 4):
            add(results, number)
        add(results, 2, 400, b'{"error": {}}')
        seen = results.counts
    with reopen() as results:
        assert results.done == {1, 2, 3, 4}
        assert results.counts == seen == Counts(3, 1, 9, 0, 6)


@pytest.mark.parametrize(
    "tail", [b'{"id": "batch_req_1_00002", "resp', b"\0" * 50, b'{"id": "batch_req_1_00002"}', b"\0\n{}\n"]
)
def test_what_was_cut_off_runs_again_and_leaves_no_trace(reopen, tail):
    with reopen() as results:
        add(results, 1)
        output = results.paths[0]
    whole = output.read_bytes()
    output.write_bytes(whole + tail)
    with reopen() as results:
        assert (results.done, results.counts) == ({1}, ONE)
        add(results, 2)
    assert output.read_bytes().startswith(whole + b'{"id":"batch_req_1_00002"')
    assert len(output.read_bytes().splitlines()) == 2


def test_a_full_disk_takes_a_line_whole_or_not_at_all(reopen, monkeypatch):
    import os

    with reopen() as results:
        add(results, 1)
        whole = results.paths[0].read_bytes()
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        with pytest.raises(OSError, match="only part"):
            add(results, 2)
        assert results.paths[0].read_bytes() == whole
        assert results.done == {1}


@pytest.mark.parametrize(
    ("status", "body", "good"),
    [(200, b"<html>", False), (200, b"", False), (200, b"\xff", False), (200, b'"text"', False), (500, b"oops", False)],
)
def test_an_answer_that_is_no_json_object_is_an_error_that_quotes_it(status, body, good):
    answer = read_answer(1, "a", status, body)
    assert (answer.status == 200, answer.counts) == (good, Counts(failed=1))
    assert "not JSON" in json.loads(answer.body)["error"]["message"]
