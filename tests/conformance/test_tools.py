"""Tools: forced and free on the real engine; whatever a provider calls, several at once too, comes through as it is."""

import json

import openai
import pytest
from tests.conformance.asking import TIME, WEATHER
from tests.conformance.upstream import Call, Fails, Says
from tests.flows.platform import STARTER

QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
ASK = {"model": STARTER, "messages": QUESTION, "tools": [WEATHER, TIME], "max_tokens": 60, "temperature": 0}
NAMED = {"type": "function", "function": {"name": "get_time"}}
TWO = (Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "東京"}))


def collected(chunks):
    """Name, id and arguments of each call of a stream, put together as clients do."""
    calls = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                found = calls.setdefault(call.index, ["", "", ""])
                found[0] += call.function.name or ""
                found[1] += call.id or ""
                found[2] += call.function.arguments or ""
    return [calls[index] for index in sorted(calls)]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("choice", "names"), [("required", {"get_weather", "get_time"}), (NAMED, {"get_time"})])
def test_a_call_that_must_be_made_is_made_with_arguments_of_its_schema(client, streamed, choice, names):
    if streamed:
        chunks = list(client.chat.completions.create(**ASK, tool_choice=choice, stream=True))
        [(name, call_id, arguments)], finish = collected(chunks), chunks[-1].choices[0].finish_reason
    else:
        [told] = client.chat.completions.create(**ASK, tool_choice=choice).choices
        [call], finish = told.message.tool_calls, told.finish_reason
        name, call_id, arguments = call.function.name, call.id, call.function.arguments
        assert (call.type, told.message.content) == ("function", None)
    assert name in names
    assert call_id.startswith("call_")
    assert isinstance(json.loads(arguments), dict)
    assert finish == "tool_calls"


def test_a_free_choice_ends_in_a_call_or_in_words(client):
    [choice] = client.chat.completions.create(**ASK).choices
    assert bool(choice.message.tool_calls) == (choice.finish_reason == "tool_calls")
    assert bool(choice.message.tool_calls) != bool(choice.message.content)


def test_none_forbids_all_calls(client):
    [choice] = client.chat.completions.create(**ASK, tool_choice="none").choices
    assert choice.message.tool_calls is None
    assert choice.message.content


def test_a_result_goes_back_and_is_answered_in_words(client):
    call = client.chat.completions.create(**ASK, tool_choice="required").choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "18 degrees and sunny"}
    after = {**ASK, "messages": [*QUESTION, call, result], "tool_choice": "none"}
    assert client.chat.completions.create(**after).choices[0].message.content


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"tool_choice": {"type": "function", "function": {"name": "get_rich"}}}, "tool_choice"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ],
)
def test_a_wrong_tool_is_refused_by_name(client, wrong, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{**ASK, **wrong})
    assert refused.value.param == param


@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_calls_of_a_provider_come_through(client, scripted, streamed):
    scripted.script.will(Says(words=("Let me", " look."), calls=TWO))
    asked = {**ASK, "model": scripted.model, "parallel_tool_calls": True}
    if streamed:
        chunks = list(client.chat.completions.create(**asked, stream=True))
        calls, finish = collected(chunks), chunks[-1].choices[0].finish_reason
        pieces = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        assert len(pieces) == 6  # as the provider told them, not gathered first
    else:
        [choice] = client.chat.completions.create(**asked).choices
        assert choice.message.content == "Let me look."
        finish = choice.finish_reason
        calls = [[call.function.name, call.id, call.function.arguments] for call in choice.message.tool_calls]
    assert [(name, call_id, json.loads(said)) for name, call_id, said in calls] == [
        ("get_weather", "call_0", {"city": "Paris"}),
        ("get_weather", "call_1", {"city": "東京"}),
    ]
    assert finish == "tool_calls"
    [body] = scripted.script.bodies
    assert body["tools"] == ASK["tools"]
    assert (body["messages"], body["parallel_tool_calls"], "response_format" in body) == (QUESTION, True, False)


def test_results_of_parallel_calls_go_back_as_they_are(client, scripted):
    scripted.script.will(Says(calls=TWO), Says(words=("Both", " are sunny.")))
    asked = {**ASK, "model": scripted.model}
    message = client.chat.completions.create(**asked).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    told = client.chat.completions.create(**{**asked, "messages": [*QUESTION, message, *results]})
    assert told.choices[0].message.content == "Both are sunny."
    sent = scripted.script.bodies[-1]["messages"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [one["tool_call_id"] for one in sent[2:]]


def test_the_helper_of_the_sdk_collects_calls(client, scripted):
    scripted.script.will(Says(calls=TWO))
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    with client.chat.completions.stream(model=scripted.model, messages=QUESTION, tools=[strict]) as told:
        done = [event for event in told if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == [{"city": "Paris"}, {"city": "東京"}]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_route_over_both_kinds_gives_each_the_tools_in_its_way(client, scripted, streamed):
    """The provider fails, so that the engine answers, held to a schema; then it does not, and answers itself."""
    name = f"route-of-{scripted.model}"
    targets = [{"model": scripted.model}, {"model": STARTER, "priority": 1}]
    client.put(f"/routes/{name}", body={"targets": targets}, cast_to=object)
    scripted.script.will(Fails(500), Says(calls=TWO))
    for expected in (STARTER, scripted.model):
        raw = client.chat.completions.with_raw_response.create(
            **{**ASK, "model": name, "tool_choice": "required"}, stream=streamed
        )
        told = raw.parse()
        calls = collected(told) if streamed else told.choices[0].message.tool_calls
        assert raw.headers["x-argosy-target"] == expected
        assert len(calls) == (1 if expected == STARTER else 2)
    assert all("response_format" not in body for body in scripted.script.bodies)
