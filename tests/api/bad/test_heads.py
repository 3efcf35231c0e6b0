"""Floods of headers, and bytes that are no HTTP."""

import asyncio
import json

import pytest
from tests.api.bad.requests import CHAT, GOOD, refused
from tests.api.raw import head, post, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")


HEADS = {
    "thousands of headers": "\r\n".join(f"x-{n}: y" for n in range(5000)),
    "a long header": "x-long: " + "y" * 100_000,
    "a long name": "y" * 100_000 + ": x",
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("pieces", [False, True])
async def test_a_flood_of_headers_is_refused(api, name, pieces):
    data = post(CHAT, api.secret, json.dumps(GOOD[CHAT]).encode(), HEADS[name])
    async with wire(api.url) as line:
        for start in range(0, len(data), 3000 if pieces else len(data)):
            await line.send(data[start : start + (3000 if pieces else len(data))])
            if pieces:
                await asyncio.sleep(0.001)
        try:
            said = await line.said()
            assert (said.status, said.error["code"]) == (431, "head_too_large")
        except (ConnectionError, asyncio.IncompleteReadError):
            assert pieces  # we were still sending when it had closed
        assert await line.closed()


async def test_a_long_path_and_a_trailer_flood_are_refused(api):
    await refused(api, head("/" + "a" * 50_000, api.secret, method="GET"), 431)
    chunked = head(CHAT, api.secret, "transfer-encoding: chunked")
    flood = b"".join(b"x-%d: y\r\n" % n for n in range(3000))
    async with wire(api.url) as line:
        await line.send(chunked + b"2\r\n{}\r\n0\r\n" + flood)
        assert await line.closed()


NOT_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "words": b"hello there\r\n\r\n",
    "a bad length": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a newline in a header": b"GET / HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
    "a path of bytes": b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/3": b"GET / HTTP/3.0\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
async def test_what_is_not_http_is_refused_and_the_connection_closed(api, name):
    async with wire(api.url) as line:
        await line.send(NOT_HTTP[name])
        said = await line.said()
        assert 400 <= said.status < 500
        assert said.error["type"] in ("invalid_request_error", "authentication_error")
        assert await line.closed()


async def test_an_upgrade_is_not_made(api):
    body = json.dumps(GOOD[CHAT]).encode()
    async with wire(api.url) as line:
        await line.send(post(CHAT, api.secret, body, "connection: upgrade", "upgrade: h2c"))
        try:
            assert (await line.said()).status in (200, 400, 408)
        except (ConnectionError, asyncio.IncompleteReadError):
            pytest.fail("no answer")
