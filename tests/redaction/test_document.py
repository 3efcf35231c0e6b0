"""Documents keep their shape, whatever is taken out of them."""

import json

import pytest

from argosy.redaction.document import Pattern, Rules, compiled, redact

MAIL = "bob@corp.com"


def called(arguments):
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}


def arguments_of(document):
    return document["messages"][0]["tool_calls"][0]["function"]["arguments"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({"to": MAIL, "n": 13812345678, "deep": [{"x": [MAIL, True, None, 1.5]}]},
         {"to": "[email]", "n": "[phone]", "deep": [{"x": ["[email]", True, None, 1.5]}]}),
        ({MAIL: 1, "ann@corp.com": 2}, {"[email]": 1, "[email] 2": 2}),
        ({"inner": json.dumps({"to": MAIL})}, {"inner": '{"to":"[email]"}'}),
        ([MAIL], ["[email]"]),
    ],
)  # fmt: skip
def test_arguments_of_tools_stay_json(arguments, left):
    assert json.loads(arguments_of(redact(called(json.dumps(arguments)), Rules()))) == left


def test_an_escape_hides_nothing_in_json():
    assert arguments_of(redact(called('{"to": "bob\\u0040corp.com"}'), Rules())) == '{"to":"[email]"}'


def test_a_member_that_is_there_twice_hides_nothing():
    assert MAIL not in arguments_of(redact(called('{"to": "bob@corp.com", "to": "x"}'), Rules()))


def test_broken_arguments_are_redacted_as_text():
    assert arguments_of(redact(called('{"to": "bob@corp.com'), Rules())) == '{"to": "[email]'


def test_json_without_a_find_stays_to_the_byte():
    text = '{ "a" :  1e3, "b": [ ] }'
    assert arguments_of(redact(called(text), Rules())) == text


def test_words_of_the_wire_are_not_touched():
    rules = Rules(patterns=(Pattern("x", "user|text|role|content"),))
    document = {"messages": [{"role": "user", "content": [{"type": "text", "text": "user"}]}]}
    assert redact(document, rules) == {"messages": [{"role": "user", "content": [{"type": "text", "text": "[x]"}]}]}


def test_what_is_to_be_dropped_is():
    document = called('{"secret": 1}')
    document["messages"] += [{"role": "system", "content": "s"}, {"role": "developer", "content": "s"}]
    document["choices"] = [{"message": dict(document["messages"][0])}, {"message": None}]
    left = redact({**document, "user": "u-1"}, Rules(drop=("system", "user", "tool_arguments")))
    assert "user" not in left
    assert [message["role"] for message in left["messages"]] == ["assistant"]
    assert "secret" not in json.dumps(left)
    assert arguments_of({"messages": [left["choices"][0]["message"]]}) == "{}"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Bad", "x"), ("", "x"), ("a" * 31, "x"), ("ok", ""), ("ok", "x" * 301), ("ok", "("), ("ok", "x*"),
        ("ok", "a{9999999999999}"),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_be_used_is_refused(name, pattern):
    with pytest.raises(ValueError, match=r"."):
        compiled(Pattern(name, pattern))


def test_a_match_of_nothing_in_the_middle_adds_nothing():
    assert redact({"content": "ab"}, Rules(patterns=(Pattern("x", r"(?<=a)(?=b)|z"),))) == {"content": "ab"}
