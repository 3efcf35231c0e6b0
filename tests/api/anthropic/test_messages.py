"""Anthropic's SDK at /v1/messages: answers, tools, streams, keys, and every way they can fail."""

import json

import anthropic
import httpx
import pytest
from tests.gateway.engine import WORDS

TEXT = "".join(WORDS)
ASKED = [{"role": "user", "content": "Say hello"}]
TOOL = {
    "name": "get_weather",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def client(api, secret=None, **given):
    given = given or {"api_key": secret or api.secret}
    return anthropic.AsyncAnthropic(base_url=api.url, max_retries=0, timeout=10, **given)


async def ask(api, secret=None, **members):
    wanted = {"model": "tiny", "max_tokens": 20, "messages": ASKED, **members}
    return await client(api, secret).messages.create(**wanted)


async def test_a_message(api):
    system = [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral"}}]
    message = await ask(api, system=system, stop_sequences=["X"], extra_body={"temperature": 0.5, "top_k": 3})
    assert [(block.type, block.text) for block in message.content] == [("text", TEXT)]
    assert (message.role, message.model, message.stop_reason) == ("assistant", "tiny", "end_turn")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (7, 24, 4)
    [body] = api.engine.bodies
    assert body["messages"] == [{"role": "system", "content": "Be kind"}, *ASKED]
    assert (body["max_tokens"], body["stop"], body["temperature"], body["top_k"]) == (20, ["X"], 0.5, 3)
    [event] = await api.settled()
    assert (event.kind, event.outcome, event.prompt_tokens, event.cached_tokens) == ("message", "complete", 31, 24)
    assert message._request_id == event.id
    assert message.id.removeprefix("msg_") == event.id.removeprefix("req_")


async def test_a_stream_tells_every_step_in_order(api):
    body = json.dumps({"model": "tiny", "max_tokens": 9, "messages": ASKED, "stream": True})
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{api.url}/v1/messages", content=body, headers={"x-api-key": api.secret})
    events = [event.split("\ndata: ") for event in answer.text.removesuffix("\n\n").split("\n\n")]
    assert [name.removeprefix("event: ") for name, _ in events] == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * len(WORDS),
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    told = [json.loads(data) for _, data in events]
    assert all(name == f"event: {data['type']}" for (name, _), data in zip(events, told, strict=True))
    assert [data["delta"]["text"] for data in told if data["type"] == "content_block_delta"] == WORDS
    assert told[-2]["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 24,
        "output_tokens": 4,
    }


async def test_a_streamed_message_is_the_same_as_a_whole_one(api):
    async with client(api).messages.stream(model="tiny", max_tokens=9, messages=ASKED) as stream:
        streamed = await stream.get_final_message()
    whole = await ask(api)
    left_out = {"id", "stop_details"}
    assert streamed.model_dump(exclude=left_out, exclude_none=True) == whole.model_dump(
        exclude=left_out, exclude_none=True
    )


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_is_used_and_its_result_goes_back(api, streamed):
    wanted = {"tools": [TOOL], "tool_choice": {"type": "any"}, "messages": ASKED, "model": "tiny", "max_tokens": 9}
    if streamed:
        async with client(api).messages.stream(**wanted) as stream:
            message = await stream.get_final_message()
    else:
        message = await client(api).messages.create(**wanted)
    [use] = message.content
    assert (use.type, use.name, use.input, message.stop_reason) == (
        "tool_use",
        "get_weather",
        {"city": "Paris"},
        "tool_use",
    )
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "Sunny"}]}
    after = [{"type": "text", "text": "And?"}, {**result, "is_error": True}]
    await ask(
        api,
        messages=[*ASKED, {"role": "assistant", "content": message.content}, {"role": "user", "content": after}],
    )
    assert api.engine.bodies[-1]["messages"] == [
        *ASKED,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": use.id,
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": use.id, "content": "Error: Sunny"},
        {"role": "user", "content": "And?"},
    ]


async def test_tools_and_a_schema_at_once(api):
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    answer = await ask(api, tools=[TOOL], output_config={"format": schema})
    assert (answer.content[0].text, answer.stop_reason) == ('{"sky": "blue", "n": 1.50}', "end_turn")


async def test_tools_that_need_not_be_used(api):
    assert (await ask(api, tools=[TOOL])).content[0].text == 'It is "sunny".'
    assert (await ask(api, tools=[TOOL], tool_choice={"type": "none"})).content[0].text == TEXT
    named = await ask(api, tools=[TOOL], tool_choice={"type": "tool", "name": "get_weather"})
    assert named.content[0].name == "get_weather"


async def test_an_answer_held_to_a_schema(api):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    message = await ask(api, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(message.content[0].text)["name"] == "get_weather"
    assert api.engine.bodies[0]["response_format"]["json_schema"]["schema"] == schema


async def test_a_key_may_stand_in_either_header(api):
    bearer = client(api, auth_token=api.secret)
    assert (await bearer.messages.create(model="tiny", max_tokens=9, messages=ASKED)).type == "message"
    with pytest.raises(anthropic.AuthenticationError) as wrong:
        await ask(api, "sk-argosy-wrong")
    assert wrong.value.body["type"] == "error"
    assert wrong.value.body["error"]["type"] == "authentication_error"
    assert wrong.value.body["request_id"].startswith("req_")
    with pytest.raises(anthropic.PermissionDeniedError) as narrow:
        await ask(api, api.key("billing"))
    assert narrow.value.body["error"]["type"] == "permission_error"
    async with httpx.AsyncClient() as http:
        nobody = await http.post(f"{api.url}/v1/messages", json={})
        elsewhere = await http.post(f"{api.url}/v1/chat/completions", json={}, headers={"x-api-key": api.secret})
    assert (nobody.status_code, nobody.json()["error"]["details"]["error_code"]) == (401, "missing_api_key")
    assert elsewhere.status_code == 401


async def test_each_project_has_its_own_models(api):
    with pytest.raises(anthropic.NotFoundError) as error:
        await ask(api, api.other, model="ft:tiny:argosy:mine:1")
    assert error.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("fault", ["cut", "error", "stall", "no done"])
async def test_a_broken_stream_ends_with_an_error_and_never_cleanly(api, fault):
    api.engine.plan = [fault, "drop"]  # what is cut once is carried on
    stream, seen = await ask(api, stream=True), []

    async def watch():
        async for event in stream:
            seen.append(event.type)

    with pytest.raises(anthropic.APIStatusError) as told:
        await watch()
    error = told.value.body["error"]
    assert error["type"] == ("timeout_error" if fault == "stall" else "api_error")
    assert error["details"]["error_code"] in ("upstream_cut", "engine_failed", "engine_timeout")
    assert "content_block_delta" in seen
    assert not {"message_delta", "message_stop"} & set(seen)
    [event] = await api.settled()
    assert event.outcome == "upstream_cut"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("failure", 502, "api_error"),
        ("hang", 504, "timeout_error"),
        ("garbage", 502, "api_error"),
        ("too long", 400, "invalid_request_error"),
    ],
)
async def test_an_engine_that_fails_at_once_is_a_status(api, fault, status, kind):
    api.engine.plan = [fault]
    with pytest.raises(anthropic.APIStatusError) as failed:
        await ask(api)
    assert (failed.value.status_code, failed.value.body["error"]["type"]) == (status, kind)


async def test_no_replica_is_overload_with_a_time_to_come_back(api):
    api.engine.plan = ["loading"] * 100
    with pytest.raises(anthropic.InternalServerError) as busy:
        await ask(api, stream=True)
    assert (busy.value.status_code, busy.value.body["error"]["type"]) == (529, "overloaded_error")
    assert busy.value.response.headers["retry-after"] == "2"


async def test_a_fault_of_ours_tells_nothing(api, monkeypatch):
    monkeypatch.setattr(api.gateway._table, "find", lambda *_: 1 / 0)
    with pytest.raises(anthropic.InternalServerError) as fault:
        await ask(api)
    assert fault.value.body["error"]["type"] == "api_error"
    assert "zero" not in fault.value.response.text


async def test_a_client_that_leaves_stops_the_engine(api):
    api.engine.pause_s = 0.05
    stream = await ask(api, stream=True)
    async for event in stream:
        if event.type == "content_block_delta":
            break
    await stream.close()
    [event] = await api.settled()
    assert event.outcome == "client_gone"
    assert api.engine.cancelled == 1


async def test_what_cannot_be_done_is_refused_by_name(api):
    async with httpx.AsyncClient(headers={"x-api-key": api.secret}) as http:
        image = {"role": "user", "content": [{"type": "image", "source": {}}]}
        body = {"model": "tiny", "max_tokens": 9, "messages": [*ASKED, image]}
        answer = await http.post(f"{api.url}/v1/messages", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
        assert error["details"] == {"error_code": "unsupported_content", "param": "messages.1.content.0.type"}
        for bad in (b"", b"{", b"[]", b"\xff", b'{"a":' * 5000):
            answer = await http.post(f"{api.url}/v1/messages", content=bad)
            assert (answer.status_code, answer.json()["type"]) == (400, "error")
        large = await http.post(f"{api.url}/v1/messages", content=b" " * (9 << 20))
        assert (large.status_code, large.json()["error"]["type"]) == (413, "request_too_large")
    assert api.engine.bodies == []
