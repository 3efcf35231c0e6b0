"""What a model wrote, and what a grader may read out of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.evals import first_object, same_json, whole_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)


@pytest.mark.parametrize(
    "answer",
    ['{"a": 1}', '  {"a": 1}\n', '```json\n{"a": 1}\n```', '```\n{"a": 1}```', '\n```JSON \n{"a":\n1}\n```\n'],
)
def test_space_and_one_fence_may_surround_an_answer(answer: str) -> None:
    assert whole_object(answer) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        'Sure! {"a": 1}',
        '{"a": 1} I hope this helps.',
        '{"a": 1}{"a": 1}',
        '[{"a": 1}]',
        '{"a": 1',
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "{'a': 1}",
        '{"a": ' * 100_000,
        '{"a": ' + "9" * 5_000 + "}",
    ],
)
def test_anything_else_is_no_answer_that_a_program_could_use(answer: str) -> None:
    assert whole_object(answer) is None


def test_a_lenient_reader_salvages_the_first_object() -> None:
    assert first_object('Here {it is}: {"a": {"b": 2}} and {"c": 3}') == {"a": {"b": 2}}
    assert first_object('{"a": {"b": 2}') == {"b": 2}
    assert first_object("no braces") is None
    assert first_object("{" * 2_000) is None


@given(OBJECTS)
def test_an_object_written_out_is_read_back(value: dict[str, object]) -> None:
    text = json.dumps(value)
    for read in (whole_object(text), first_object("Answer: " + text + "!")):
        assert read is not None
        assert same_json(read, value)


@given(st.text())
def test_no_text_makes_a_reader_raise(text: str) -> None:
    whole_object(text)
    first_object(text)


@given(JSON, JSON)
def test_equality_of_json_is_symmetric(one: object, other: object) -> None:
    assert same_json(one, one)
    assert same_json(one, other) == same_json(other, one)


def test_kinds_of_json_stay_apart() -> None:
    assert same_json({"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0})
    assert not same_json(True, 1)
    assert not same_json(0, False)
    assert not same_json(None, {})
    assert not same_json({"a": None}, {})
    assert not same_json([1, 2], [2, 1])
    assert not same_json("1", 1)
