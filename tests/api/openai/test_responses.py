"""OpenAI's SDK at /v1/responses: answers, tools, schemas, streams, conversations, and every way they can fail."""

import asyncio
import functools
import json
import threading

import httpx
import openai
import pytest
from pydantic import BaseModel
from tests.gateway.engine import WORDS

from argosy.gateway.wires.responses import archive

TEXT = "".join(WORDS)
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def ask(api, secret=None, **members):
    return await api.client(secret).responses.create(**{"model": "tiny", "input": "Say hello", **members})


async def stream(api, **members):
    return [event async for event in await ask(api, stream=True, **members)]


def post(api, http, body, secret=None):
    headers = {"authorization": f"Bearer {secret or api.secret}"}
    return http.post(f"{api.url}/v1/responses", content=body, headers=headers)


async def test_an_answer(api):
    response = await ask(api, instructions="Be kind", temperature=0.5, max_output_tokens=20, metadata={"a": "b"})
    assert (response.output_text, response.status, response.model) == (TEXT, "completed", "tiny")
    assert (response.instructions, response.temperature, response.metadata) == ("Be kind", 0.5, {"a": "b"})
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (31, 4, 35)
    assert usage.input_tokens_details.cached_tokens == 24
    [body] = api.engine.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Be kind"},
        {"role": "user", "content": "Say hello"},
    ]
    assert (body["max_tokens"], body["temperature"]) == (20, 0.5)
    [event] = await api.settled()
    assert (event.kind, event.outcome, event.prompt_tokens, event.cached_tokens) == ("response", "complete", 31, 24)
    assert response.id.removeprefix("resp_") == event.id.removeprefix("req_")


async def test_a_stream_tells_every_step_in_order(api):
    events = await stream(api)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    names = [event.type.removeprefix("response.") for event in events]
    assert names == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * len(WORDS),
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [event.delta for event in deltas] == WORDS
    last = events[-1].response
    assert (last.output_text, last.status, last.usage.input_tokens) == (TEXT, "completed", 31)
    assert {event.item_id for event in deltas} == {last.output[0].id}
    assert events[0].response.status == "in_progress"
    assert events[0].response.output == []
    await api.settled()


async def test_a_streamed_response_is_the_same_as_a_whole_one(api):
    def plain(response):
        found = response.to_dict()
        found["output"] = [{**item, "id": ""} for item in found["output"]]
        return {**found, "id": "", "created_at": 0}

    streamed, whole = (await stream(api))[-1].response, await ask(api)
    assert plain(streamed) == plain(whole)


async def test_the_sdk_collects_a_stream(api):
    async with api.client().responses.stream(model="tiny", input="Say hello") as collected:
        response = await collected.get_final_response()
    assert response.output_text == TEXT


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_function_is_called_and_its_output_goes_back(api, streamed):
    if streamed:
        events = await stream(api, tools=[TOOL], tool_choice="required")
        done = next(event for event in events if event.type == "response.function_call_arguments.done")
        assert json.loads(done.arguments) == {"city": "Paris"}
        first = events[-1].response
    else:
        first = await ask(api, tools=[TOOL], tool_choice={"type": "function", "name": "get_weather"})
    [call] = first.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Paris"})
    assert first.output_text == ""
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
    await ask(api, input=[{"role": "user", "content": "Weather?"}, *first.output, output])
    sent = api.engine.bodies[-1]["messages"]
    assert sent[1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": call.arguments}
    assert sent[2] == {"role": "tool", "tool_call_id": call.call_id, "content": "Sunny"}
    await ask(api, input=[output], previous_response_id=first.id)
    assert api.engine.bodies[-1]["messages"][1:] == sent[1:]


@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "json_schema", "name": "s", "schema": {}}])
async def test_tools_and_a_schema_at_once(api, form):
    answer = await ask(api, tools=[TOOL], text={"format": form})
    assert answer.output_text == '{"sky": "blue", "n": 1.50}'
    assert [item.type for item in answer.output] == ["message"]


async def test_the_tokens_of_a_prompt_are_counted(api):
    first = await ask(api)
    count = api.client().responses.input_tokens.count
    assert (await count(model="tiny", input="Say hello to them")).input_tokens == 4
    assert [path for path, _ in api.engine.asides] == ["/apply-template", "/tokenize"]
    after = await count(model="tiny", input="Go on", previous_response_id=first.id, instructions="Be brief")
    assert (after.object, after.input_tokens) == ("response.input_tokens", 8)
    with pytest.raises(openai.BadRequestError):
        await count(model="tiny", input=[])
    await api.settled()  # that of the response alone


async def test_tools_that_need_not_be_called(api):
    assert (await ask(api, tools=[TOOL])).output_text == 'It is "sunny".'
    assert (await ask(api, tools=[TOOL], tool_choice="none")).output_text == TEXT


async def test_a_schema_is_parsed(api):
    class Call(BaseModel):
        name: str
        arguments: dict[str, str]

    parsed = await api.client().responses.parse(model="tiny", input="Weather?", text_format=Call)
    assert parsed.output_parsed == Call(name="get_weather", arguments={"city": "Paris"})
    sent = api.engine.bodies[0]["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"], sent["schema"]["title"]) == ("Call", True, "Call")


async def test_a_conversation_goes_on_without_the_earlier_instructions(api):
    first = await ask(api, input="One", instructions="Be kind")
    second = await ask(api, input="Two", previous_response_id=first.id, instructions="Be brief")
    third = (await stream(api, input="Three", previous_response_id=second.id))[-1].response
    assert third.previous_response_id == second.id
    assert api.engine.bodies[-1]["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": TEXT},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "content": TEXT},
        {"role": "user", "content": "Three"},
    ]
    client = api.client()
    assert (await client.responses.retrieve(third.id)).to_dict() == third.to_dict()
    [item] = [item async for item in await client.responses.input_items.list(third.id)]
    assert item.content[0].text == "Three"
    await client.responses.delete(second.id)
    with pytest.raises(openai.BadRequestError, match="was deleted"):
        await ask(api, previous_response_id=third.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.delete(second.id)


async def test_conversations_side_by_side_do_not_mix(api):
    create = functools.partial(api.client().responses.create, model="tiny")
    firsts = await asyncio.gather(*(create(input=f"I am {number}") for number in range(20)))
    nexts = (create(input=f"Who am {n}", previous_response_id=first.id) for n, first in enumerate(firsts))
    await asyncio.gather(*nexts)
    said = [[message["content"] for message in body["messages"]] for body in api.engine.bodies[20:]]
    assert sorted(said) == sorted([f"I am {number}", TEXT, f"Who am {number}"] for number in range(20))


async def test_no_other_project_sees_a_response(api):
    mine = await ask(api)
    theirs = api.client(api.other).responses
    for attempt in (theirs.retrieve, theirs.delete, theirs.input_items.list):
        with pytest.raises(openai.NotFoundError) as missing:
            await attempt(mine.id)
        with pytest.raises(openai.NotFoundError) as unknown:
            await attempt("resp_unknown")
        assert missing.value.code == unknown.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(api, api.other, previous_response_id=mine.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
    assert (await api.client().responses.retrieve(mine.id)).id == mine.id
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("billing")).responses.retrieve(mine.id)
    assert len(api.engine.bodies) == 1


async def test_what_is_not_stored_is_nowhere(api):
    response = await ask(api, store=False)
    assert response.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        await api.client().responses.retrieve(response.id)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_to_store_is_told(api, monkeypatch, streamed):
    monkeypatch.setattr(archive, "insert_responses", lambda *_: 1 / 0)
    response = (await stream(api))[-1].response if streamed else await ask(api)
    assert (response.status, response.output_text) == ("completed", TEXT)
    told = response.to_dict()
    assert told["store"] is False
    assert told["warnings"][0]["code"] == "response_not_stored"
    await api.settled()


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_first_byte_does_not_wait_for_the_store(api, monkeypatch, streamed):
    insert, written = archive.insert_responses, threading.Event()

    def slow(*args):
        assert written.wait(5)
        insert(*args)

    monkeypatch.setattr(archive, "insert_responses", slow)
    body = {"model": "tiny", "input": "Say hello", "stream": streamed}
    async with httpx.AsyncClient() as http:
        request = http.build_request(
            "POST", f"{api.url}/v1/responses", json=body, headers={"authorization": f"Bearer {api.secret}"}
        )
        answer = await http.send(request, stream=True)
        got = b""
        async for piece in answer.aiter_raw():
            got += piece
            if WORDS[-1].encode() in got and not written.is_set():
                assert b"response.completed" not in got
                assert b'"store":true' not in got
                written.set()
    assert b'"store":true' in got
    assert written.is_set()


async def test_a_database_that_hangs_costs_a_client_only_patience(api, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(archive, "PATIENCE_S", 0.05)
    monkeypatch.setattr(archive, "insert_responses", lambda *_: over.wait(5))
    answers = await asyncio.gather(*(ask(api) for _ in range(3)))
    assert [answer.to_dict()["store"] for answer in answers] == [False] * 3
    monkeypatch.setattr(archive, "conversation", lambda *_: over.wait(5) and [])
    with pytest.raises(openai.InternalServerError) as late:
        await ask(api, previous_response_id=answers[0].id)
    assert (late.value.status_code, late.value.code) == (503, "responses_unreadable")
    over.set()


async def test_what_waits_to_be_stored_is_bounded(api, monkeypatch):
    monkeypatch.setattr(archive, "WAITING_SIZE_MAX", 10)
    assert (await ask(api)).to_dict()["store"] is False


@pytest.mark.parametrize("fault", ["cut", "error", "stall", "no done"])
async def test_a_broken_stream_fails_and_never_ends_cleanly(api, fault):
    api.engine.plan = [fault, "drop"]  # what is cut once is carried on
    events, seen = await ask(api, stream=True), []

    async def watch():
        async for event in events:
            seen.append(event)

    with pytest.raises(openai.APIError) as told:
        await watch()
    assert told.value.code in ("upstream_cut", "engine_failed", "engine_timeout")
    last = seen[-1]
    assert last.type == "response.failed"
    assert (last.response.status, last.response.error.code) == ("failed", "server_error")
    assert last.response.output_text
    assert TEXT.startswith(last.response.output_text)
    assert "response.completed" not in {event.type for event in seen}
    with pytest.raises(openai.NotFoundError):
        await api.client().responses.retrieve(last.response.id)
    [event] = await api.settled()
    assert event.outcome == "upstream_cut"
    assert event.completion_tokens > 0


@pytest.mark.parametrize(
    ("faults", "code", "streamed"),
    [
        (["failure"], "engine_failed", False),
        (["failure"], "engine_failed", True),
        (["hang"], "engine_timeout", True),
        (["garbage"], "engine_malformed", False),
        (["garbage"] * 2, "engine_lost", True),
    ],
)
async def test_an_engine_that_fails_at_once_is_a_status(api, faults, code, streamed):
    api.engine.plan = faults
    with pytest.raises(openai.APIStatusError) as failed:
        await ask(api, stream=streamed)
    assert (failed.value.status_code, failed.value.code) == (502, code)


async def test_a_prompt_that_is_too_long_is_about_the_input(api):
    api.engine.plan = ["too long"]
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(api)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")


async def test_a_client_that_leaves_stops_the_engine(api):
    api.engine.pause_s = 0.05
    events = await ask(api, stream=True)
    async for event in events:
        if event.type == "response.output_text.delta":
            break
    await events.close()
    [event] = await api.settled()
    assert event.outcome == "client_gone"
    assert api.engine.cancelled == 1


async def test_members_that_change_nothing_may_be_sent(api):
    neutral = {"background": False, "truncation": "disabled", "service_tier": "auto", "include": [], "prompt": None}
    assert (await ask(api, user="me", prompt_cache_key="k", extra_body=neutral)).status == "completed"


async def test_bodies_that_are_no_request(api):
    deep = b'{"model":"tiny","input":"x","tools":' + b'[{"a":' * 9999
    bad = [b"", b"{", b"[]", b"null", b"\xff", b'{"model":"tiny","input":"\xff"}', b'{"input":"\\ud800"}', deep]
    async with httpx.AsyncClient() as http:
        for body in bad:
            answer = await post(api, http, body)
            assert answer.status_code == 400, body[:80]
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert api.engine.bodies == []
        assert (await http.get(f"{api.url}/v1/responses")).status_code == 405
        assert (await post(api, http, b"{}", "sk-argosy-wrong")).status_code == 401
