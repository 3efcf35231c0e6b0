"""Clients that leave, speak HTTP/1.0, or ask the next thing before they were answered."""

import asyncio
import contextlib
import json

import pytest
from tests.api.bad.requests import CHAT, GOOD, refused
from tests.api.raw import head, post, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")


LEAVING = {
    "at once": b"",
    "in the request line": b"POST /v1/ch",
    "in the headers": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauth",
    "before the body": None,
    "in the body": None,
    "while it waits": None,
    "in the answer": None,
    "in the stream": None,
}


@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("when", LEAVING)
async def test_clients_leave_at_every_stage(api, when, abruptly):
    body = json.dumps({**GOOD[CHAT], "stream": when == "in the stream"}).encode()
    request = post(CHAT, api.secret, body)
    sent = {
        "before the body": request[: -len(body)],
        "in the body": request[:-5],
    }.get(when, LEAVING[when] if LEAVING[when] is not None else request)
    api.engine.pause_s = 0.1
    asked = len(api.engine.bodies)
    async with wire(api.url) as line:
        await line.send(sent)
        if when in ("while it waits", "in the stream"):
            while len(api.engine.bodies) == asked:
                await asyncio.sleep(0.005)
        if when in ("in the answer", "in the stream"):
            await line.reader.read(10)
        await asyncio.sleep(0.02)
        if abruptly:
            line.writer.transport.abort()
        else:
            line.writer.close()
    await asyncio.sleep(0.05)


async def test_http_1_0_gets_whole_answers_and_no_chunks(api):
    for stream in (False, True):
        body = json.dumps({**GOOD[CHAT], "stream": stream}).encode()
        async with wire(api.url) as line:
            await line.send(post(CHAT, api.secret, body, version="1.0"))
            said = await line.said()
            assert said.status == 200
            assert "transfer-encoding" not in said.headers
            assert said.headers["connection"] == "close"
            assert said.body.endswith(b"data: [DONE]\n\n") is stream
            assert await line.closed()
    error = await refused(api, post(CHAT, api.secret, b"{", version="1.0"))
    assert error["code"] == "invalid_json"
    async with wire(api.url) as line:
        await line.send(b"GET /v1/models HTTP/1.0\r\nauthorization: Bearer " + api.secret.encode() + b"\r\n\r\n")
        assert (await line.said()).status == 200


async def test_pipelined_requests_are_answered_in_their_order(api):
    bodies = [{**GOOD[CHAT], "stream": bool(n % 2), "model": "none" if n == 3 else "tiny"} for n in range(12)]
    async with wire(api.url) as line:
        await line.send(b"".join(post(CHAT, api.secret, json.dumps(body).encode()) for body in bodies))
        for number in range(12):
            said = await line.said()
            assert said.status == (404 if number == 3 else 200)
            assert said.body.endswith(b"[DONE]\n\n") is (number % 2 == 1 and number != 3)


async def test_a_pipelined_request_that_never_ends_or_is_garbage_does_not_break_the_answer_before_it(api):
    api.engine.pause_s = 0.2
    stream = post(CHAT, api.secret, json.dumps({**GOOD[CHAT], "stream": True}).encode())
    async with wire(api.url) as line:
        await line.send(stream + head(CHAT, api.secret, "content-length: 10"))
        assert (await line.said()).body.endswith(b"[DONE]\n\n")
        assert (await line.said()).status == 408
        assert await line.closed()
    async with wire(api.url) as line:
        await line.send(stream)
        await line.reader.readuntil(b"data: ")
        await line.send(b"garbage\r\n\r\n")
        rest = b""
        with contextlib.suppress(ConnectionError):
            while piece := await line.reader.read(1 << 16):
                rest += piece
        assert b"HTTP/1.1" not in rest.partition(b"[DONE]")[0]  # not in the middle of an answer
