"""What is read of a body, what is refused, and what the engine is sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core import Invalid
from argosy.gateway import Kind, parse
from argosy.gateway.requests import encode_members

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def read(kind=Kind.CHAT, **members):
    return parse(kind, json.dumps({**CHAT, **members}).encode())


def test_members_are_spliced_in_and_the_last_one_of_a_name_counts():
    request = read(stream=True, stream_options={"include_usage": False}, temperature=0.5, metadata={"a": "}"})
    sent = json.loads(request.upstream_body(encode_members({"lora": [{"id": 0, "scale": 1.0}]}), 0))
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["lora"] == [{"id": 0, "scale": 1.0}]
    assert (sent["temperature"], sent["metadata"]) == (0.5, {"a": "}"})
    assert request.include_usage is False


def test_nothing_to_add_leaves_the_very_same_bytes():
    request = read()
    assert request.upstream_body(b"", 0) is request.body


@given(st.dictionaries(st.sampled_from(["user", "note", "stop", "service_tier"]), st.text()), st.text(alphabet=" \n\t"))
def test_any_body_is_still_the_same_json_after_splicing(extra, space):
    body = {**CHAT, **extra}
    request = parse(Kind.CHAT, (json.dumps(body) + space).encode())
    assert json.loads(request.upstream_body(b'"lora":[]', 0)) == {**body, "lora": []}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 9}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"lora": []}, "lora"),
        ({"id_slot": 1}, "id_slot"),
    ],
)
def test_a_wrong_member_is_named(members, param):
    with pytest.raises(Invalid) as error:
        read(**members)
    assert error.value.param == param


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_missing_member_is_named(name):
    with pytest.raises(Invalid) as error:
        parse(Kind.CHAT, json.dumps({key: value for key, value in CHAT.items() if key != name}).encode())
    assert (error.value.param, error.value.code) == (name, "missing_required_parameter")


@pytest.mark.parametrize("body", [b"{", b"{bad}", b"\xff\xfe{", b"null x", b"[" * 100_000])
def test_what_is_not_json_says_so(body):
    with pytest.raises(Invalid) as error:
        parse(Kind.CHAT, body)
    assert error.value.code in ("invalid_json", "invalid_request_body")


@pytest.mark.parametrize("members", [{"echo": True}, {"suffix": "x"}, {"best_of": 3}])
def test_what_engines_would_silently_ignore_is_refused(members):
    with pytest.raises(Invalid) as error:
        parse(Kind.TEXT, json.dumps({"model": "m", "prompt": "hi", **members}).encode())
    assert error.value.code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("prompt", "count"), [("hi", 1), ([1, 2, 3], 1), (["a", "b"], 2), ([[1, 2], [3]], 2), (["a"], 1)]
)
def test_a_list_of_numbers_is_one_prompt_and_a_list_of_prompts_is_several(prompt, count):
    request = parse(Kind.TEXT, json.dumps({"model": "m", "prompt": prompt}).encode())
    assert request.parts == count


def test_tools_of_any_depth_are_understood_or_refused():
    for depth in (100, *range(900, 1010, 3)):
        tool = b'{"function":{"name":"f","parameters":%s1%s}}' % (b'{"a":' * depth, b"}" * depth)
        try:
            parse(Kind.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[%s]}' % tool)
        except Invalid:
            assert depth > 100
