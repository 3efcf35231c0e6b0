"""Exact, field by field, and by what the answer does."""

from collections.abc import Mapping
from typing import Any

from argosy.evals import exact_match, execution_match, field_match, grade_object

EXPECTED = {"chart": "line", "filters": {"region": "North"}, "start": None}
FIELDS = list(EXPECTED)


def same_chart(expected: Mapping[str, Any], answered: Mapping[str, Any]) -> bool:
    return bool(expected["chart"] == answered["chart"])


def test_exact_means_all_fields_and_nothing_more() -> None:
    assert exact_match(EXPECTED, '{"start": null, "filters": {"region": "North"}, "chart": "line"}')
    assert not exact_match(EXPECTED, '{"filters": {"region": "North"}, "chart": "line"}')
    assert not exact_match(EXPECTED, '{"start": null, "filters": {"region": "North"}, "chart": "line", "title": "x"}')
    assert not exact_match(EXPECTED, 'Sure: {"start": null, "filters": {"region": "North"}, "chart": "line"}')


def test_each_field_is_scored_apart_and_read_leniently() -> None:
    answer = 'Sure! {"chart": "bar", "filters": {"region": "North"}} Enjoy.'
    assert field_match(EXPECTED, answer, FIELDS) == {"chart": False, "filters": True, "start": False}
    assert field_match(EXPECTED, "I cannot", FIELDS) == dict.fromkeys(FIELDS, False)


def test_execution_decides_by_the_result_and_counts_what_cannot_run_as_wrong() -> None:
    assert execution_match(EXPECTED, '{"chart": "line"}', same_chart)
    assert not execution_match(EXPECTED, '{"kind": "line"}', same_chart)
    assert not execution_match(EXPECTED, "line", same_chart)


def test_an_exact_answer_has_every_other_grade() -> None:
    grade = grade_object(EXPECTED, '{"chart":"line","filters":{"region":"North"},"start":null}', FIELDS, same_chart)
    assert grade.exact
    assert grade.parsed
    assert grade.executed
    assert all(grade.fields.values())
    assert grade_object(EXPECTED, "none", FIELDS).executed is None
