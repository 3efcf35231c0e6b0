"""What a batch's file may hold, and what is said of what it may not."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.batches.conftest import CHAT, ask, text_of

from argosy.batches import lines
from argosy.batches.lines import check, lines_to_do


@pytest.fixture
def problems(tmp_path):
    """The problems of a file with this content: line and code."""

    def look(content):
        path = tmp_path / "lines.jsonl"
        path.write_bytes(content)
        found = check(path, CHAT)
        assert found.count == len(found.shown)
        return [(one["line"], one["code"]) for one in found.shown]

    return look


def row(**changes):
    made = {**ask(1), **changes}
    return json.dumps({name: value for name, value in made.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_json_line"),
        ("[" * 100_000, "invalid_line"),
        ('{"body": ' * 100_000, "invalid_json_line"),
        ("[]", "invalid_line"),
        ("null", "invalid_line"),
        (row(custom_id=...), "missing_required_parameter"),
        (row(custom_id=None), "invalid_custom_id"),
        (row(custom_id=7), "invalid_custom_id"),
        (row(custom_id=""), "invalid_custom_id"),
        (row(custom_id="x" * 513), "invalid_custom_id"),
        (row(method="post"), "invalid_method"),
        (row(method=...), "invalid_method"),
        (row(url="/v1/rerank"), "invalid_url"),
        (row(url=CHAT + "/"), "invalid_url"),
        (row(url={}), "invalid_url"),
        (row(body=...), "missing_required_parameter"),
        (row(body=None), "invalid_body"),
        (row(body=[1]), "invalid_body"),
        (row(body={"messages": []}), "missing_required_parameter"),
        (row(body={"model": ""}), "missing_required_parameter"),
        (row(body={"model": 3}), "missing_required_parameter"),
        (row(body={"model": "tiny", "stream": True}), "invalid_value"),
        ('{"custom_id": "\\ud800", "method": "POST"}', "invalid_json_line"),
    ],
)
def test_a_line_with_a_mistake_is_named(problems, text, code):
    assert problems(f"{row(custom_id='another')}\n\n{text}\n".encode()) == [(3, code)]


def test_bytes_that_are_no_utf8_and_lines_that_are_too_long(problems, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 1000)
    long = row(custom_id="long", body={"model": "m" * 1000})
    assert problems(f"{row()}\n{long}\n".encode() + b'{"custom_id": "\xff"}\n') == [
        (2, "line_too_long"),
        (3, "not_utf8"),
    ]


def test_a_file_without_lines_and_one_with_too_many(problems, monkeypatch):
    assert problems(b"\n  \r\n") == [(None, "empty_file")]
    monkeypatch.setattr(lines, "LINES_MAX", 3)
    assert problems(text_of([ask(n) for n in range(3)])) == []
    assert problems(text_of([ask(n) for n in range(9)])) == [(4, "too_many_lines")]


def test_all_mistakes_are_counted_and_the_first_200_shown(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text("{\n" * 300)
    found = check(path, CHAT)
    assert (found.total, found.count, len(found.shown)) == (300, 300, 200)


def test_lines_come_with_their_numbers_and_bodies_as_they_were_written(tmp_path):
    path = tmp_path / "lines.jsonl"
    body = '{ "model":"tiny",  "messages":[{"role":"user","content":"销售额"}], "seed": 1e2 }'
    given = f'\ufeff{row()}\r\n\n{{"custom_id": "b", "method": "POST", "url": "{CHAT}", "body": {body}}}'
    path.write_text(given, newline="")
    assert check(path, CHAT).count == 0
    assert [(line.number, line.custom_id) for line in lines_to_do(path, set())] == [(1, "line 1"), (3, "b")]
    (second,) = lines_to_do(path, {1})
    assert second.body.decode() == body


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([row().encode(), row(url=1).encode()])), max_size=6))
def test_any_bytes_are_checked_and_good_ones_can_be_read(tmp_path, parts):
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"\n".join(parts))
    found = check(path, CHAT)
    if not found.count:
        assert len(list(lines_to_do(path, ()))) == found.total
