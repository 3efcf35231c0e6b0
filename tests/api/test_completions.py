"""The door of the data plane: keys, bodies, limits, headers."""

import asyncio
import json

import httpx
import openai
import pytest
from tests.gateway.harness import QUESTION


async def post(api, content, secret=None, path="/v1/chat/completions", **headers):
    async with httpx.AsyncClient() as http:
        given = {"authorization": f"Bearer {secret or api.secret}", "content-type": "application/json", **headers}
        return await http.post(api.url + path, content=content, headers={k: v for k, v in given.items() if v})


BODY = json.dumps({"model": "tiny", "messages": QUESTION}).encode()


async def test_no_key_a_wrong_key_and_a_key_without_the_scope(api):
    missing = await post(api, BODY, authorization="")
    assert (missing.status_code, missing.json()["error"]["code"]) == (401, "missing_api_key")
    assert missing.headers["www-authenticate"] == "Bearer"
    with pytest.raises(openai.AuthenticationError) as wrong:
        await api.client("sk-argosy-wrong").chat.completions.create(model="tiny", messages=QUESTION)
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as narrow:
        await api.client(api.key("billing")).chat.completions.create(model="tiny", messages=QUESTION)
    assert narrow.value.code == "missing_scope"
    assert api.engine.bodies == []


@pytest.mark.parametrize("body", [b"", b"  ", b"{", b"[]", b'{"model":"tiny"}', b'{"messages":[]}', b"\xff\xfe{}"])
async def test_a_bad_body_is_400_in_openais_shape(api, body):
    answer = await post(api, body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_body_over_the_limit_is_413(api):
    answer = await post(api, b" " * (9 << 20))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")

    async def pieces():
        for _ in range(9):
            yield b" " * (1 << 20)

    answer = await post(api, pieces())
    assert answer.status_code == 413


async def test_every_response_carries_the_id_of_its_usage(api):
    answer = await post(api, BODY)
    [event] = await api.settled()
    assert answer.headers["x-request-id"] == answer.json()["id"] == event.id
    assert answer.headers["content-type"] == "application/json"


async def test_a_stream_is_an_event_stream_that_nothing_buffers(api):
    answer = await post(api, json.dumps({"model": "tiny", "messages": QUESTION, "stream": True}).encode())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_an_unknown_member_passes_and_chinese_survives(api):
    question = [{"role": "user", "content": "华北地区的销售额"}]
    await api.ask(messages=question, extra_body={"top_k": 3})
    assert api.engine.bodies[0]["messages"] == question
    assert api.engine.bodies[0]["top_k"] == 3


async def test_a_fault_of_ours_is_500_and_tells_nothing(api, monkeypatch):
    monkeypatch.setattr(api.gateway._table, "find", lambda *_: 1 / 0)
    answer = await post(api, BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "zero" not in answer.text


async def test_requests_side_by_side_do_not_mix(api):
    api.engine.pause_s = 0.01
    answers = await asyncio.gather(*(api.ask() for _ in range(20)))
    assert len({answer.id for answer in answers}) == 20
    await api.settled(20)
