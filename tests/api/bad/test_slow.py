"""Clients that take their time: to send, and to read."""

import asyncio
import json
import time

import pytest
from tests.api.bad.requests import CHAT, GOOD
from tests.api.raw import head, post, wire

from argosy.gateway.route_spec import read_spec
from argosy.gateway.store import put_route

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/chat/comp",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ",
        head(CHAT, "x", "content-length: 1000"),
    ],
)
async def test_who_never_finishes_a_request_is_cut_off(api, sent):
    if b"content-length" in sent:
        sent = head(CHAT, api.secret, "content-length: 1000") + b'{"model"'
    async with wire(api.url) as line:
        started = time.monotonic()
        await line.send(sent)
        if sent:
            said = await line.said()
            assert (said.status, said.error["code"]) == (408, "request_timeout")
        assert await line.closed(20)
        assert time.monotonic() - started > 0.4


async def test_dripping_does_not_help(api):
    async with asyncio.timeout(20), wire(api.url) as line:
        await line.send(head(CHAT, api.secret, "content-length: 1000"))
        saying = asyncio.create_task(line.said())
        while not saying.done():
            line.writer.write(b" ")
            await asyncio.sleep(0.05)
        assert (await saying).status == 408
        assert await line.closed()


async def test_a_long_body_that_keeps_coming_gets_its_time(api):
    body = json.dumps({**GOOD[CHAT], "unknown": "x" * (1 << 20)}).encode()
    async with wire(api.url) as line:
        data = post(CHAT, api.secret, body)
        step = len(data) // 12
        for start in range(0, len(data), step):
            await line.send(data[start : start + step])
            await asyncio.sleep(0.08)
        assert (await line.said()).status == 200


async def test_an_idle_moment_between_requests_is_no_offence(api):
    async with wire(api.url) as line:
        for _ in range(2):
            await line.send(post(CHAT, api.secret, json.dumps(GOOD[CHAT]).encode()))
            assert (await line.said()).status == 200
            await asyncio.sleep(0.8)


async def test_who_does_not_read_an_endless_answer_is_cut_off_and_the_engine_freed(api):
    api.engine.plan = ["flood"]
    cancelled, before = api.engine.cancelled, len(api.events())
    async with wire(api.url, limit=1 << 10) as line:
        line.writer.transport.pause_reading()
        await line.send(post(CHAT, api.secret, json.dumps({**GOOD[CHAT], "stream": True}).encode()))
        held = []
        for _ in range(400):
            await asyncio.sleep(0.02)
            held += [one.transport.get_write_buffer_size() for one in api.server.server_state.connections]
            if api.engine.cancelled > cancelled:
                break
        assert api.engine.cancelled == cancelled + 1
        assert max(held) < 2 << 20
    for _ in range(100):
        if len(api.events()) > before:
            break
        await asyncio.sleep(0.01)
    assert api.events()[-1].outcome == "client_gone"
    assert api.events()[-1].completion_tokens > 0


async def test_a_slow_reader_is_not_the_engines_fault(api):
    """The route's patience with its engine is shorter than ours with the client."""
    with api.database.write() as tx:
        deadlines = {"first_token": 0.2, "stall": 0.2, "total": 60}
        put_route(tx, api.project_id, "calm", read_spec({"targets": [{"model": "tiny"}], "deadlines": deadlines}))
    api.gateway.refresh()
    api.engine.plan = ["flood for a while"]
    async with wire(api.url, limit=1 << 10) as line:
        await line.send(post(CHAT, api.secret, json.dumps({**GOOD[CHAT], "model": "calm", "stream": True}).encode()))
        size = 0
        while size < 60 << 20:  # reads all, with pauses between the engine's patience and ours
            if size % (1 << 20) < 1 << 10 and size < 4 << 20:
                await asyncio.sleep(0.3)
            data = await line.reader.read(1 << 20)
            size += len(data)
            if b"[DONE]" in data[-100:]:
                break
        assert b"[DONE]" in data[-100:]
    assert not api.gateway._dispatch.health.open()
