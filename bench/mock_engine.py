"""An engine that costs next to nothing: canned OpenAI answers at some 70,000 a second, for measuring what is in front.

usage: mock_engine.py PORT
With "stream": true it sends 34 events, usage in the last if asked for; else one JSON body.
POST with Content-Length only.
"""

import asyncio
import json
import sys

import uvloop

_BASE = {"id": "chatcmpl-bench", "created": 1, "model": "bench", "system_fingerprint": "b0"}
_USAGE = {"prompt_tokens": 20, "completion_tokens": 32, "total_tokens": 52}
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: "


def _whole() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello world " * 8}, "finish_reason": "stop"}
    body = json.dumps(
        {**_BASE, "object": "chat.completion", "choices": [choice], "usage": _USAGE}, separators=(",", ":")
    )
    return _HEAD + b"application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body.encode()


def _events() -> list[bytes]:
    def event(**members: object) -> bytes:
        payload = {**_BASE, "object": "chat.completion.chunk", **members}
        return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"

    def choice(finish: str | None, **delta: object) -> list[dict[str, object]]:
        return [{"index": 0, "delta": delta, "finish_reason": finish}]

    words = [event(choices=choice(None, content="hi ")) for _ in range(32)]
    return [*words, event(choices=choice("stop")), event(choices=[], usage=_USAGE), b"data: [DONE]\n\n"]


def _chunked(events: list[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    return _HEAD + b"text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


_EVENTS = _events()
WHOLE = _whole()
STREAM = _chunked([event for event in _EVENTS if b'"usage"' not in event])
STREAM_WITH_USAGE = _chunked(_EVENTS)


class MockEngine(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n") + 4) >= 4:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:") + 15
            size = int(head[at : head.find(b"\r\n", at)]) if at >= 15 else 0
            if len(self._buffer) < end + size:
                return
            body, self._buffer = self._buffer[end : end + size], self._buffer[end + size :]
            self._transport.write(_answer(body))  # type: ignore[attr-defined]


def _answer(body: bytes) -> bytes:
    asked = json.loads(body or b"{}")
    if not asked.get("stream"):
        return WHOLE
    return STREAM_WITH_USAGE if (asked.get("stream_options") or {}).get("include_usage") else STREAM


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(MockEngine, "127.0.0.1", port, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
