"""Graders: does this answer pass? Each takes the expected value and the text a model wrote, and never raises on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argosy.evals.answers import first_object, same_json, whole_object

Same = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
"""Executes the expected and the answered object, in this order, and says whether both give the same result."""


@dataclass(frozen=True)
class Grade:
    """What one answer earned."""

    exact: bool
    """The whole answer is the expected JSON object: every field equal, none missing, none more."""
    fields: dict[str, bool]
    """Each field apart, read leniently: from the first JSON object anywhere in the answer."""
    executed: bool | None
    """The answered object gives the same result as the expected one when executed; None when nothing executes it."""
    parsed: bool
    """There was a JSON object in the answer at all."""


def exact_match(expected: Mapping[str, Any], answer: str) -> bool:
    """The strict score: the whole answer (see `whole_object`) equals ``expected`` as JSON, field by field."""
    found = whole_object(answer)
    return found is not None and same_json(dict(expected), found)


def field_match(expected: Mapping[str, Any], answer: str, fields: Sequence[str]) -> dict[str, bool]:
    """The lenient score, one per field: equal in the first JSON object. A missing field is wrong, even for null."""
    found = first_object(answer) or {}
    return {name: name in found and same_json(expected.get(name), found[name]) for name in fields}


def execution_match(expected: Mapping[str, Any], answer: str, same: Same) -> bool:
    """Whether executing the first JSON object of the answer gives the result of ``expected``.

    Answers that differ in words may mean the same (a filter that every row passes). What cannot be executed is wrong,
    and ``same`` says so by raising ValueError, LookupError or TypeError.
    """
    found = first_object(answer)
    if found is None:
        return False
    try:
        return same(expected, found)
    except (ValueError, LookupError, TypeError):
        return False


def grade_object(expected: Mapping[str, Any], answer: str, fields: Sequence[str], same: Same | None = None) -> Grade:
    """All of the above at once. ``exact`` implies every field, and implies execution without running it."""
    exact = exact_match(expected, answer)
    executed = None if same is None else exact or execution_match(expected, answer, same)
    return Grade(exact, field_match(expected, answer, fields), executed, first_object(answer) is not None)
