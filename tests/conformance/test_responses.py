"""The Responses API with OpenAI's SDK: text, streams, conversations, tools, schemas, and how it fails."""

import json
from typing import Literal

import openai
import pytest
from pydantic import BaseModel
from tests.conformance.asking import WEATHER, rows_of
from tests.conformance.upstream import Call, Fails, Says
from tests.flows.platform import STARTER

ASK = {"model": STARTER, "input": "Say hello.", "max_output_tokens": 60, "temperature": 0}
TOOL = {"type": "function", "strict": True, **WEATHER["function"]}
TWO = (Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "Rome"}))


class Trip(BaseModel):
    city: Literal["Paris", "Rome"]


def test_a_text(client, platform):
    response = client.responses.create(**ASK, instructions="Be kind.", metadata={"a": "b"})
    assert (response.object, response.status, response.model) == ("response", "completed", STARTER)
    assert (response.instructions, response.metadata, response.error) == ("Be kind.", {"a": "b"}, None)
    [message] = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert response.output_text == message.content[0].text != ""
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    row_id = "req_" + response.id.removeprefix("resp_")
    assert response._request_id == row_id
    assert row_id in [row["id"] for row in platform.usage_rows() if row["kind"] == "response"]


def test_a_stream_tells_every_step_in_order_and_says_the_same(client):
    events = list(client.responses.create(**ASK, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    names = [event.type.removeprefix("response.") for event in events]
    assert names[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(names[4:-4]) == {"output_text.delta"}
    assert names[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1].response
    assert said == last.output_text == client.responses.create(**ASK).output_text
    assert last.usage.output_tokens > 0


def test_the_helper_of_the_sdk_collects_a_stream(client):
    with client.responses.stream(**ASK) as told:
        for _ in told:
            pass
        assert told.get_final_response().output_text


async def test_the_same_asynchronously(aclient):
    assert (await aclient.responses.create(**ASK)).output_text
    async with aclient.responses.stream(**ASK) as told:
        assert (await told.get_final_response()).status == "completed"


def test_a_bound_on_tokens_leaves_it_incomplete(client):
    asked = {**ASK, "input": "Tell me a long story.", "max_output_tokens": 3}
    response = client.responses.create(**asked)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert list(client.responses.create(**asked, stream=True))[-1].type == "response.incomplete"


def test_a_conversation_goes_on_is_listed_and_forgotten(client, scripted):
    scripted.script.will(*(Says(words=(word,)) for word in ("Hello", " Ada")))
    first = client.responses.create(model=scripted.model, input="I am Ada.", instructions="Be kind.")
    second = client.responses.create(model=scripted.model, input="Who am I?", previous_response_id=first.id)
    assert scripted.script.bodies[1]["messages"] == [
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who am I?"},
    ]
    assert client.responses.retrieve(second.id).to_dict() == second.to_dict()
    [item] = client.responses.input_items.list(second.id)
    assert item.content[0].text == "Who am I?"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as gone:
        client.responses.retrieve(first.id)
    assert gone.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as broken:
        client.responses.create(model=scripted.model, input="And?", previous_response_id=second.id)
    assert (broken.value.code, broken.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_is_not_to_be_stored_is_not(client):
    response = client.responses.create(**ASK, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_function_that_must_be_called_is_called_and_answered(client, streamed):
    asked = {**ASK, "input": "What is the weather in Paris?", "tools": [TOOL]}
    if streamed:
        events = list(client.responses.create(**asked, tool_choice="required", stream=True))
        [done] = [event for event in events if event.type == "response.function_call_arguments.done"]
        response = events[-1].response
        assert done.arguments == response.output[0].arguments
    else:
        named = {"type": "function", "name": "get_weather"}
        response = client.responses.create(**asked, tool_choice=named)
    [call] = response.output
    assert (call.type, call.name, response.output_text) == ("function_call", "get_weather", "")
    assert isinstance(json.loads(call.arguments)["city"], str)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    after = {**ASK, "input": [result], "previous_response_id": response.id}
    assert client.responses.create(**after).output_text


@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_calls_of_a_provider_are_items_of_their_own(client, scripted, streamed):
    scripted.script.will(Says(calls=TWO))
    asked = {"model": scripted.model, "input": "Weather?", "tools": [TOOL]}
    if streamed:
        events = list(client.responses.create(**asked, stream=True))
        response = events[-1].response
        added = [event.output_index for event in events if event.type == "response.output_item.added"]
        assert added == [0, 1]
    else:
        response = client.responses.create(**asked)
    assert [(item.call_id, json.loads(item.arguments)["city"]) for item in response.output] == [
        ("call_0", "Paris"),
        ("call_1", "Rome"),
    ]
    assert scripted.script.bodies[0]["tools"][0]["function"]["name"] == "get_weather"


def test_a_schema_is_parsed(client):
    parsed = client.responses.parse(**{**ASK, "input": "Where shall we go?"}, text_format=Trip).output_parsed
    assert parsed.city in ("Paris", "Rome")
    with client.responses.stream(**ASK, text_format=Trip) as told:
        assert told.get_final_response().output_parsed.city in ("Paris", "Rome")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_is_words_of_the_refusing_kind(client, scripted, streamed):
    scripted.script.will(Says(refusal="I will not."))
    asked = {"model": scripted.model, "input": "Do wrong."}
    if streamed:
        events = list(client.responses.create(**asked, stream=True))
        response = events[-1].response
        assert [event.type for event in events[3:7]] == [
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
        ]
        assert (events[4].delta, events[5].refusal) == ("I will not.", "I will not.")
    else:
        response = client.responses.create(**asked)
    [part] = response.output[0].content
    assert (part.type, part.refusal) == ("refusal", "I will not.")


def test_a_stream_that_breaks_is_a_failed_response_and_an_error(client, scripted, platform):
    scripted.script.will(Says(words=("Once", " upon"), then="cut"))
    stream, events = client.responses.create(model=scripted.model, input="A story", stream=True), []
    with pytest.raises(openai.APIError) as broken:
        events.extend(stream)
    assert (broken.value.type, broken.value.code) == ("upstream_error", "upstream_cut")
    assert (events[-1].type, events[-1].response.output_text) == ("response.failed", "Once upon")
    [row] = rows_of(platform, scripted.model)
    assert (row["outcome"], row["usage"]["completion_tokens"]) == ("upstream_cut", 2)


def test_the_sdk_tries_again_here_too(client, scripted, platform):
    scripted.script.will(Fails(429, retry_after=1), Says(words=("Hello",)))
    patient = client.with_options(max_retries=5)
    assert patient.responses.create(model=scripted.model, input="Hi").output_text == "Hello"
    assert len(rows_of(platform, scripted.model)) == 1


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"input": []}, "invalid_value", "input"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"tools": [{"type": "web_search"}]}, "unsupported_parameter", "tools[0].type"),
        ({"background": True}, "unsupported_parameter", "background"),
        ({"previous_response_id": "resp_none"}, "previous_response_not_found", "previous_response_id"),
        ({"input": "word " * 9000}, "context_length_exceeded", "input"),
        ({"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
    ],
)
def test_a_bad_member_is_named(client, wrong, code, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**{**ASK, **wrong})
    assert (refused.value.code, refused.value.param) == (code, param)
