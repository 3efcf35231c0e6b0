"""Tools over Anthropic's wire: one's own, forced and free, several at once, their results sent back."""

import json

import anthropic
import pytest
from tests.conformance.asking import WEATHER
from tests.conformance.upstream import Call, Says
from tests.flows.platform import STARTER

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": WEATHER["function"]["parameters"],
}
CLOCK = {"name": "get_time", "description": "The time now", "input_schema": {"type": "object", "properties": {}}}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
ASK = {
    "model": STARTER,
    "messages": QUESTION,
    "tools": [TOOL, CLOCK],
    "max_tokens": 60,
    "extra_body": {"temperature": 0},
}
TWO = (Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "東京"}))


def answered(claude, streamed, **members):
    asked = {**ASK, **members}
    if not streamed:
        return claude.messages.create(**asked)
    with claude.messages.stream(**asked) as told:
        return told.get_final_message()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("choice", "names"),
    [({"type": "any"}, {"get_weather", "get_time"}), ({"type": "tool", "name": "get_time"}, {"get_time"})],
)
def test_a_tool_that_must_be_used_is_used(claude, streamed, choice, names):
    message = answered(claude, streamed, tool_choice=choice)
    [use] = message.content
    assert (use.type, use.name in names, message.stop_reason) == ("tool_use", True, "tool_use")
    assert isinstance(use.input, dict)
    assert use.id


def test_a_free_choice_ends_in_a_use_or_in_words(claude):
    message = answered(claude, False, tool_choice={"type": "auto"})
    assert (message.content[0].type, message.stop_reason) in (("tool_use", "tool_use"), ("text", "end_turn"))


def test_none_forbids_all_use(claude):
    assert answered(claude, False, tool_choice={"type": "none"}).content[0].type == "text"


def test_a_result_goes_back_and_is_answered(claude):
    message = answered(claude, False, tool_choice={"type": "any"})
    result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "18 degrees and sunny"}
    after = [*QUESTION, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    assert answered(claude, False, messages=after, tool_choice={"type": "none"}).content[0].text


@pytest.mark.parametrize("streamed", [False, True])
def test_several_uses_at_once_and_their_results(claude, scripted, streamed):
    scripted.script.will(Says(words=("Let me look.",), calls=TWO), Says(words=("Both are sunny.",)))
    message = answered(claude, streamed, model=scripted.model)
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    uses = message.content[1:]
    assert [(use.id, use.input["city"]) for use in uses] == [("call_0", "Paris"), ("call_1", "東京")]
    results = [
        {"type": "tool_result", "tool_use_id": uses[0].id, "content": "sunny"},
        {"type": "tool_result", "tool_use_id": uses[1].id, "content": "no such city", "is_error": True},
    ]
    after = [*QUESTION, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    assert answered(claude, streamed, model=scripted.model, messages=after).content[0].text == "Both are sunny."
    sent = scripted.script.bodies[1]["messages"]
    assert [json.loads(call["function"]["arguments"])["city"] for call in sent[1]["tool_calls"]] == ["Paris", "東京"]
    assert [(one["tool_call_id"], one["content"]) for one in sent[2:]] == [
        ("call_0", "sunny"),
        ("call_1", "Error: no such city"),
    ]


def test_one_use_at_a_time_can_be_asked_for(claude, scripted):
    scripted.script.will(Says(calls=TWO[:1]))
    answered(claude, False, model=scripted.model, tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert scripted.script.bodies[0]["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [], "tool_choice": {"type": "any"}}, "tool_choice"),
    ],
)
def test_a_wrong_tool_is_refused_by_name(claude, wrong, param):
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(**{**ASK, **wrong})
    assert refused.value.body["error"]["details"]["param"] == param
