"""Requests of other wires: what they become, and that whatever is sent is understood or refused, never a fault."""

import copy
import json
import random

import pytest

from argosy.core import Invalid
from argosy.gateway import Kind, parse
from argosy.gateway.wires import messages, responses

TOOL = {"name": "f", "description": "d", "strict": True}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
RESPONSE = {
    "model": "m",
    "input": [
        {"role": "developer", "content": "Be kind"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "c"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "d"}]},
        {"type": "function_call_output", "call_id": "1", "output": "e"},
    ],
    "instructions": "i",
    "store": False,
    "stream": True,
    "max_output_tokens": 5,
    "temperature": 1,
    "top_p": 1,
    "tools": [{"type": "function", "parameters": SCHEMA, **TOOL}],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "text": {"format": {"type": "text"}},
    "metadata": {"a": "b"},
    "user": "u",
}
MESSAGE = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "i"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "c"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": "é"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "d"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "e"}]},
        {"role": "user", "content": []},
    ],
    "stream": True,
    "stop_sequences": ["x"],
    "temperature": 1,
    "top_p": 1,
    "top_k": 1,
    "tools": [{"input_schema": SCHEMA, **TOOL}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "metadata": {"user_id": "u"},
}


def responded(body):
    asked = responses.read(body)
    chat = asked.chat()
    json.loads(asked.input_json())
    deeper(40, responses.Writer(asked.head("resp_1", 1)).close)
    return chat


def deeper(frames, work):
    """Do it further down the stack, as the middle of a stream is."""
    return deeper(frames - 1, work) if frames else work()


def messaged(body):
    return messages.read(body).chat


def test_a_response_becomes_a_chat_completion():
    chat = json.loads(responded(json.dumps(RESPONSE)))
    f = {"name": "f", "arguments": "{}"}
    assert chat == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "i"},
            {"role": "developer", "content": "Be kind"},
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "content": "b\nc",
                "tool_calls": [{"id": number, "type": "function", "function": f} for number in "12"],
            },
            {"role": "tool", "tool_call_id": "2", "content": "d"},
            {"role": "tool", "tool_call_id": "1", "content": "e"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 1.0,
        "top_p": 1.0,
        "tools": [{"type": "function", "function": {"parameters": SCHEMA, **TOOL}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "user": "u",
    }


def test_a_message_becomes_a_chat_completion():
    chat = json.loads(messaged(json.dumps(MESSAGE)))
    f = {"name": "f", "arguments": '{"a":"é"}'}
    assert chat == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "i"},
            {"role": "user", "content": "a\nb"},
            {
                "role": "assistant",
                "content": "c",
                "tool_calls": [{"id": "1", "type": "function", "function": f}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "d"},
            {"role": "assistant", "content": "e"},
            {"role": "user", "content": ""},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "stop": ["x"],
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 1,
        "tools": [{"type": "function", "function": {"parameters": SCHEMA, **TOOL}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "user": "u",
    }


JUNK = [None, True, 0, -1, 1.5, 10**30, "", "x", "\0", [], [[]], [None], [0], {}, {"": 0}, {"type": []}, {"type": "x"}]


def places(value, path=()):
    """The path of every node."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def spoiled(body, path, junk):
    """A copy with something else at a path."""
    copied = {"": copy.deepcopy(body)}
    holder, name = copied, ""
    for step in path:
        holder, name = holder[name], step
    holder[name] = junk
    return json.dumps(copied[""])


@pytest.mark.parametrize(("translate", "body"), [(responded, RESPONSE), (messaged, MESSAGE)])
def test_junk_anywhere_is_understood_or_refused(translate, body):
    refused = taken = 0
    chance = random.Random(7)
    for path in places(body):
        for junk in [*JUNK, chance.choice(JUNK)]:
            try:
                parse(Kind.CHAT, translate(spoiled(body, path, junk).encode()))
                taken += 1
            except Invalid:
                refused += 1
    assert refused > taken > 100


@pytest.mark.parametrize(("translate", "body"), [(responded, RESPONSE), (messaged, MESSAGE)])
def test_any_depth_is_understood_or_refused(translate, body):
    for depth in (100, *range(900, 1010), 100_000):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        spoilt = json.dumps({**body, "tools": [{**body["tools"][0], "parameters": "DEEP", "input_schema": "DEEP"}]})
        try:
            parse(Kind.CHAT, translate(spoilt.encode().replace(b'"DEEP"', nested)))
        except Invalid:
            assert depth > 100


def test_extra_members_of_items_are_stored_unless_they_are_too_deep():
    for depth in (100, *range(900, 1010)):
        item = b'{"role":"user","content":"x","extra":%s1%s}' % (b'{"a":' * depth, b"}" * depth)
        try:
            responded(b'{"model":"m","input":[%s]}' % item)
        except Invalid:
            assert depth > 100
