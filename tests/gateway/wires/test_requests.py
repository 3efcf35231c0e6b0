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


TOOLS, CUSTOM = RESPONSE["tools"], MESSAGE["tools"]


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
        "metadata": {"a": "b"},
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
        "metadata": {"user_id": "u"},
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
    whole = json.dumps(body).encode()
    for depth in (100, *range(900, 1010, 3), 100_000):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        try:
            parse(Kind.CHAT, translate(whole.replace(json.dumps(SCHEMA).encode(), nested)))
        except Invalid:
            assert depth > 100


def test_extra_members_of_items_are_stored_unless_they_are_too_deep():
    for depth in (100, *range(900, 1010, 3)):
        item = b'{"role":"user","content":"x","extra":%s1%s}' % (b'{"a":' * depth, b"}" * depth)
        try:
            responded(b'{"model":"m","input":[%s]}' % item)
        except Invalid:
            assert depth > 100


REFUSED_RESPONSES = [
    ({"model": ""}, "model"),
    ({"model": None}, "model"),
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": [1]}, "input[0]"),
    ({"input": [{}]}, "input[0].role"),
    ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "input[0].content[0].text"),
    ({"input": [{"type": "computer_call"}]}, "input[0].type"),
    ({"input": [{"type": [1]}]}, "input[0].type"),
    ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input[0].call_id"),
    ({"instructions": 1}, "instructions"),
    ({"store": "yes"}, "store"),
    ({"stream": 1}, "stream"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": -1}, "top_p"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.name"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    ({"text": {"verbosity": "high"}}, "text.verbosity"),
    ({"background": True}, "background"),
    ({"truncation": "auto"}, "truncation"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"reasoning": {"effort": "high"}}, "reasoning"),
    ({"include": ["message.output_text.logprobs"]}, "include"),
    ({"lora": []}, "lora"),
    ({"messages": []}, "messages"),
    ({"tools": [{**TOOLS[0], "defer_loading": True}]}, "tools[0].defer_loading"),
    ({"text": {"style": "x"}}, "text.style"),
    ({"tool_choice": "required"}, "tool_choice"),
]


@pytest.mark.parametrize(("members", "param"), REFUSED_RESPONSES)
def test_what_a_response_cannot_have_is_refused_by_name(members, param):
    with pytest.raises(Invalid) as refused:
        parse(Kind.CHAT, responded(json.dumps({"model": "m", "input": "x", **members})))
    assert (refused.value.param or "").startswith(param)


def turn(*blocks, role="user"):
    return {"messages": [{"role": role, "content": list(blocks)}]}


REFUSED_MESSAGES = [
    ({"model": None}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    (turn({}), "messages.0.content.0.type"),
    (turn({"type": "text"}), "messages.0.content.0.text"),
    (turn({"type": "image", "source": {}}), "messages.0.content.0.type"),
    (turn({"type": "document"}), "messages.0.content.0.type"),
    (turn({"type": "tool_use", "id": "a", "name": "b", "input": []}, role="assistant"), "messages.0.content.0.input"),
    (turn({"type": "tool_result", "tool_use_id": "nobody"}), "messages.0.content.0.tool_use_id"),
    ({"system": 1}, "system"),
    ({"system": [{"type": "image"}]}, "system.0.type"),
    ({"stream": "yes"}, "stream"),
    ({"stop_sequences": [1]}, "stop_sequences"),
    ({"temperature": 1.5}, "temperature"),
    ({"top_k": -1}, "top_k"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
    ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
    ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
    ({"tools": CUSTOM, "tool_choice": {"type": "maybe"}}, "tool_choice.type"),
    ({"tools": CUSTOM, "tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": CUSTOM, "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
    ({"container": "x"}, "container"),
    ({"response_format": {}}, "response_format"),
    ({"lora": []}, "lora"),
    ({"tools": [{**CUSTOM[0], "defer_loading": True}]}, "tools.0.defer_loading"),
    ({"output_config": {"effort": "high"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
]


@pytest.mark.parametrize(("members", "param"), REFUSED_MESSAGES)
def test_what_a_message_cannot_have_is_refused_by_name(members, param):
    asked = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}], **members}
    with pytest.raises(Invalid) as refused:
        parse(Kind.CHAT, messaged(json.dumps(asked)))
    assert (refused.value.param or "").startswith(param)
