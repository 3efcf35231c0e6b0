import json
import random

import pytest
from tests.datasets.rows import chat, good, jsonl

from argosy.datasets import validate_sft


@pytest.fixture
def check(tmp_path):
    """The report on a file with this content."""

    def validate(content):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(content)
        return validate_sft(path)

    return validate


def codes(report):
    return [(problem.line, problem.code) for problem in report.problems.shown]


def test_a_good_file(check):
    report = check(jsonl(good(12)))
    assert report.valid
    assert (report.rows, report.format) == (12, "messages")


def test_all_bad_lines_are_told_with_their_numbers_not_only_the_first(check):
    lines = jsonl(good(12)).splitlines(keepends=True)
    lines[1] = b'{"messages": [}\n'
    lines[4] = b'"just text"\n'
    lines[7] = jsonl([chat(answer=" ")])
    lines[11] = b'{"messages": '
    report = check(b"".join(lines))
    assert codes(report) == [
        (2, "malformed_json"),
        (5, "not_an_object"),
        (8, "empty_answer"),
        (12, "malformed_json"),
    ]
    assert "byte 14" in report.problems.shown[0].message


@pytest.mark.parametrize("count", [1, 5, 9])
def test_too_few_rows(check, count):
    report = check(jsonl(good(count)))
    assert codes(report) == [(0, "too_few_rows")]
    assert f"The file has {count} row" in report.problems.shown[0].message
    assert "at least 10 are needed" in report.problems.shown[0].message


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_no_rows(check, content):
    assert codes(check(content)) == [(0, "empty_file")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_recognised_and_the_remedy_is_said(check, encoding):
    report = check(jsonl(good()).decode().encode(encoding))
    assert codes(report) == [(0, "not_utf8")]
    assert "Save it as UTF-8" in report.problems.shown[0].message


def test_chinese_text_in_utf16_without_a_mark_is_recognised_too(check):
    assert codes(check(jsonl([chat("华北地区销售额" * 30, "好" * 50)] * 10).decode().encode("utf-16-le"))) == [
        (0, "not_utf8")
    ]


def test_binary(check):
    assert codes(check(b"GGUF\x03\x00\x00\x00" + random.Random(0).randbytes(5000))) == [(0, "binary_file")]


def test_gbk_is_refused_on_each_line_that_is_not_utf8(check):
    rows = jsonl(good())[:-1].decode().replace("华北地区", "", 1).encode("gbk")
    report = check(rows)
    assert codes(report) == [(line, "not_utf8") for line in range(2, 11)]
    assert "GBK" in report.problems.shown[0].message


def test_a_byte_order_mark_carriage_returns_and_blank_lines_are_let_pass(check):
    report = check(b"\xef\xbb\xbf" + jsonl(good()).replace(b"\n", b"\r\n\r\n"))
    assert report.valid
    assert report.rows == 10


def test_a_json_list_is_told_once_not_line_by_line(check):
    report = check(json.dumps(good(), indent=1).encode())
    assert codes(report) == [(1, "json_array")]


def test_a_line_that_is_too_long_does_not_hide_the_next(check):
    rows = jsonl(good())
    report = check(jsonl([chat(answer="x" * (1 << 20))]) + rows + b"oops\n")
    assert codes(report) == [(1, "line_too_long"), (12, "malformed_json")]


def test_deep_nesting_is_a_bad_line_not_a_crash(check):
    assert codes(check(jsonl(good()) + b'{"messages":' + b"[" * 100_000 + b"\n")) == [(11, "malformed_json")]


def test_duplicate_keys_in_a_row_are_let_pass(check):
    assert check(jsonl(good(9)) + b'{"a": 1, "a": 2, ' + jsonl([chat()])[1:]).valid


def test_of_very_many_problems_200_are_shown_and_all_are_counted(check):
    report = check(b"oops\n" * 1000)
    assert report.to_json()["problem_count"] == 1000
    assert len(report.to_json()["problems"]) == 200


def test_rows_that_repeat_or_contradict_each_other_are_warned_of(check):
    report = check(jsonl([*good(), good()[0], chat(good()[1]["messages"][0]["content"], "something else")]))
    assert report.valid
    assert [(warning.line, warning.code) for warning in report.warnings.shown] == [
        (11, "repeated_row"),
        (12, "contradicting_row"),
    ]
    assert "line 1" in report.warnings.shown[0].message
    assert "Line 2" in report.warnings.shown[1].message
