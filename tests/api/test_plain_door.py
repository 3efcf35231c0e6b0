"""Completions on raw sockets: the plain form, all that is not it, and clients and applications that misbehave."""

import asyncio
import contextlib
import json
import re
import socket

import pytest
import uvicorn
from tests.gateway.harness import QUESTION

from argosy.api.door import DoorLimits
from argosy.api.plain_door import AHEAD_BYTES_MAX, GONE, HEAD_BYTES_MAX, plain_door

PATH = b"POST /v1/chat/completions HTTP/1.1\r\n"
BODY = json.dumps({"model": "tiny", "messages": QUESTION}).encode()


@contextlib.asynccontextmanager
async def connected(url):
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader):
    """Status, head and body of the next answer."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    if size := re.search(rb"content-length: (\d+)", head):
        body = await reader.readexactly(int(size[1]))
    else:
        body = bytearray()
        while length := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(length)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return int(head.split()[1]), head, body


def plain(secret, body=BODY, start=PATH, more=b""):
    head = b"host: x\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n" % secret.encode()
    return start + head + more + b"content-length: %d\r\n\r\n" % len(body) + body


async def test_one_connection_serves_many_requests_in_order(api):
    stream = plain(api.secret, BODY[:-1] + b',"stream":true}')
    async with connected(api.url) as (reader, writer):
        writer.write(plain(api.secret) + stream + plain("wrong") + plain(api.secret))
        got = [await answer(reader) for _ in range(4)]
    assert [status for status, _, _ in got] == [200, 200, 401, 200]
    assert got[1][2].endswith(b"data: [DONE]\n\n")
    assert got[0][2] != got[3][2]
    await api.settled(3)


@pytest.mark.parametrize("size", [1, 7])
async def test_a_request_may_come_in_any_pieces(api, size):
    request = plain(api.secret) * 2
    async with connected(api.url) as (reader, writer):
        for at in range(0, len(request), size):
            writer.write(request[at : at + size])
            if at % 50 == 0:
                await asyncio.sleep(0)
        assert [(await answer(reader))[0] for _ in range(2)] == [200, 200]


def chunked(secret):
    head = plain(secret, b"")[: -len(b"content-length: 0\r\n\r\n")]
    return head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


STRANGE = {
    "chunked": chunked,
    "a query": lambda secret: plain(secret, start=b"POST /v1/chat/completions?a=b HTTP/1.1\r\n"),
    "a full address": lambda secret: plain(secret, start=b"POST http://x/v1/chat/completions HTTP/1.1\r\n"),
    "an escaped path": lambda secret: plain(secret, start=b"POST /v1/chat/completion%73 HTTP/1.1\r\n"),
    "the last one": lambda secret: plain(secret, more=b"connection: close\r\n"),
    "an old one": lambda secret: plain(secret, start=b"POST /v1/chat/completions HTTP/1.0\r\n"),
    "kept": lambda secret: plain(secret, more=b"Connection: Keep-Alive\r\nX-Any: \xc3\xa9\t1\r\nx-none:\r\n"),
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_a_strange_request_is_served_all_the_same_also_after_a_plain_one(api, kind):
    for before in (b"", plain(api.secret)):
        async with connected(api.url) as (reader, writer):
            writer.write(before + STRANGE[kind](api.secret))
            for _ in range(2 if before else 1):
                assert (await answer(reader))[0] == 200
    await api.settled(3)


async def test_expecting_to_be_asked_for_the_body(api):
    async with connected(api.url) as (reader, writer):
        request = plain(api.secret, more=b"expect: 100-continue\r\n")
        writer.write(request[: -len(BODY)])
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 100")
        writer.write(BODY)
        assert (await answer(reader))[0] == 200


async def test_other_paths_and_completions_share_a_connection(api):
    models = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % api.secret.encode()
    async with connected(api.url) as (reader, writer):
        for request in (models, plain(api.secret), models, plain(api.secret)):
            writer.write(request)
            status, _, body = await answer(reader)
            assert status == 200
            assert b"tiny" in body


HOSTILE = {
    "two lengths": plain("KEY", more=b"content-length: 3\r\n"),
    "length and chunked": plain("KEY", more=b"transfer-encoding: chunked\r\n"),
    "a length below zero": plain("KEY").replace(b"content-length: ", b"content-length: -"),
    "a length with a sign": plain("KEY").replace(b"content-length: ", b"content-length: +"),
    "a space before the colon": plain("KEY").replace(b"content-length:", b"content-length :"),
    "a folded line": plain("KEY", more=b"x: a\r\n b\r\n"),
    "a bare line feed": plain("KEY", more=b"x: a\ny: b\r\n"),
    "a bare carriage return": plain("KEY", more=b"x: a\ry: b\r\n"),
    "NUL": plain("KEY", more=b"x: a\0b\r\n"),
    "no name": plain("KEY", more=b": a\r\n"),
    "no colon": plain("KEY", more=b"xyz\r\n"),
    "no HTTP": b"hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_could_be_read_in_two_ways_is_refused(api, kind):
    async with connected(api.url) as (reader, writer):
        writer.write(HOSTILE[kind].replace(b"KEY", api.secret.encode()))
        got = await asyncio.wait_for(reader.read(12), 5)
    assert got in (b"HTTP/1.1 400", b"")
    assert api.engine.bodies == []


async def test_a_head_without_end_is_not_collected(api):
    async with connected(api.url) as (reader, writer):
        with contextlib.suppress(ConnectionError):  # it is closed while we send
            writer.write(PATH)
            for _ in range(3):
                writer.write(b"x-y: z\r\n" * (HEAD_BYTES_MAX // 16))
                await asyncio.sleep(0.01)
            assert (await asyncio.wait_for(reader.read(12), 5)) in (b"HTTP/1.1 431", b"")


async def test_a_body_over_the_limit_is_refused_before_it_is_there(api):
    async with connected(api.url) as (reader, writer):
        writer.write(plain(api.secret).replace(b"length: %d" % len(BODY), b"length: 99999999"))
        assert (await answer(reader))[0] == 413


# Applications of all kinds, without a platform.


@contextlib.asynccontextmanager
async def served(app, **given):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http=plain_door(DoorLimits()), lifespan="off", log_config=None, **given)
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    finally:
        server.should_exit = server.force_exit = True
        await serving


def saying(*bodies, status=200, headers=()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for body in bodies:
            if isinstance(body, Exception):
                raise body
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    return app


async def nothing(scope, receive, send):
    """Answers nothing at all."""


async def half(scope, receive, send):
    """Stops in the middle."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})


@pytest.mark.parametrize(
    "app",
    [
        nothing,
        half,
        saying(RuntimeError("before")),
        saying(b"some", RuntimeError("after")),
        saying(headers=[(b"x", b"a\r\nset-cookie: b")]),
    ],
    ids=["nothing", "half", "before", "after", "split"],
)
async def test_an_answer_that_fails_never_looks_whole(app):
    async with served(app) as (url, _), connected(url) as (reader, writer):
        writer.write(plain("x"))
        got = await asyncio.wait_for(reader.read(), 5)
        assert not got.endswith(b"0\r\n\r\n")
        assert b"set-cookie" not in got


async def test_pieces_go_out_as_they_come():
    gate = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await gate.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async with served(app) as (url, _), connected(url) as (reader, writer):
        writer.write(plain("x"))
        await asyncio.wait_for(reader.readuntil(b"first\r\n"), 5)
        gate.set()
        assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5) == b"4\r\nlast\r\n0\r\n\r\n"


async def test_a_client_that_reads_slowly_holds_the_application_back():
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(512):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
            sent += 1
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as (url, _), connected(url) as (reader, writer):
        writer.write(plain("x"))
        before = -1
        while not sent or sent > before:  # until it has to wait
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 400
        _, _, body = await answer(reader)
        assert len(body) == 512 * 65536


async def test_a_client_that_sends_ahead_has_to_wait():
    gate = asyncio.Event()

    async def app(scope, receive, send):
        await gate.wait()
        await saying(b"x")(scope, receive, send)

    async with served(app) as (url, _), connected(url) as (reader, writer):
        for _ in range(200):
            writer.write(plain("x", b"y" * 65536))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.2)
        assert writer.transport.get_write_buffer_size() > AHEAD_BYTES_MAX
        gate.set()
        for _ in range(200):
            assert (await answer(reader))[2] == b"x"


async def test_the_application_hears_of_a_client_that_leaves_in_both_ways():
    heard, asked = asyncio.Queue(), asyncio.Event()

    async def app(scope, receive, send):
        assert (await receive())["body"] == BODY
        asked.set()
        scope[GONE](lambda _: heard.put_nowait("called"))
        heard.put_nowait((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})  # nobody is there: no error
        scope[GONE](lambda _: heard.put_nowait("called late"))
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"x"})

    async with served(app) as (url, _):
        async with connected(url) as (_, writer):
            writer.write(plain("x"))
            await asyncio.wait_for(asked.wait(), 20)
        assert [await asyncio.wait_for(heard.get(), 20) for _ in range(3)] == [
            "called",
            "http.disconnect",
            "called late",
        ]


async def test_an_idle_client_is_sent_away_but_not_one_that_waits_for_its_answer():
    async def app(scope, receive, send):
        await asyncio.sleep(0.5)
        await saying(b"x")(scope, receive, send)

    async with served(app, timeout_keep_alive=0.2) as (url, _), connected(url) as (reader, writer):
        writer.write(plain("x"))
        assert (await answer(reader))[2] == b"x"
        assert await asyncio.wait_for(reader.read(), 2) == b""


async def test_when_the_server_ends_answers_on_their_way_are_finished():
    asked = asyncio.Event()

    async def app(scope, receive, send):
        asked.set()
        await asyncio.sleep(0.3)
        await saying(b"x")(scope, receive, send)

    async with (
        served(app) as (url, server),
        connected(url) as (idle, _),
        connected(url) as (reader, writer),
    ):
        writer.write(plain("x"))
        await asyncio.wait_for(asked.wait(), 20)
        server.should_exit = True
        assert await asyncio.wait_for(idle.read(), 20) == b""
        assert (await answer(reader))[2] == b"x"
        assert await asyncio.wait_for(reader.read(), 20) == b""
