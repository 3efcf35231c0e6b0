"""The echo engine: answers in OpenAI's shapes without weights, always the same. For tests, and to try Argosy out.

Run as ``python -m argosy.serving.engines.echo SPEC_FILE``. It answers with the last message's words; an adapter puts
its name in front, and a last message of the assistant is carried on. A token is a word. The message may ask for
trouble: ``fault: cut after 3`` closes the connection after three tokens, ``fault: status 500`` refuses, ``fault: hang``
never answers, ``delay 50ms`` slows every token.
Embeddings and rerankings it makes up, the same for the same text.
"""

import asyncio
import base64
import hashlib
import re
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from argosy.core import now
from argosy.serving.engines.base import Announcement, EngineSpec

_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_MAX_TOKENS = 256


class _Answer:
    """What a request asked for, and the words to answer with."""

    def __init__(self, spec: EngineSpec, body: dict[str, Any], chat: bool) -> None:
        self.chat, self.stream = chat, bool(body.get("stream"))
        self.include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        messages = body.get("messages", []) if chat else []
        texts = [_text(m.get("content")) for m in messages] if chat else [_text(body.get("prompt"))]
        said = texts.pop() if len(texts) > 1 and messages[-1].get("role") == "assistant" else ""
        self.prompt_tokens = sum(len(text.split()) for text in [*texts, said])
        self.asked = texts[-1] if texts else ""
        words = [*_adapters(spec, body), *self.asked.split()] or ["…"]
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or _MAX_TOKENS
        self.first = len(said.split())
        """Place of the first word that is left to say."""
        self.finish_reason = "length" if len(words) > self.first + limit else "stop"
        pieces = [word if i == 0 else f" {word}" for i, word in enumerate(words[: self.first + limit])]
        self.pieces = pieces[self.first :]
        self.said = 0
        """Words said so far."""
        self.head = {"id": "chatcmpl-echo" if chat else "cmpl-echo", "created": now(), "model": spec.name}

    def fault(self, pattern: str) -> int | None:
        """The number in the part of the message that asks for this fault."""
        found = re.search(pattern, self.asked)
        return int(found[1]) if found else None

    @property
    def usage(self) -> dict[str, Any]:
        done = len(self.pieces)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": done,
            "total_tokens": self.prompt_tokens + done,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def whole(self) -> dict[str, Any]:
        """The answer as one body."""
        text = "".join(self.pieces)
        part = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **part, "finish_reason": self.finish_reason}
        kind = "chat.completion" if self.chat else "text_completion"
        return {**self.head, "object": kind, "choices": [choice], "usage": self.usage}

    def event(self, piece: str | None) -> dict[str, Any]:
        """One event of the stream; None is the last choice event."""
        reason = self.finish_reason if piece is None else None
        part: dict[str, Any] = {"text": piece or ""}
        if self.chat:
            part = {"delta": {} if piece is None else {"content": piece}}
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {**self.head, "object": kind, "choices": [{"index": 0, **part, "finish_reason": reason}]}

    async def events(self) -> AsyncIterator[bytes]:
        """The stream's bytes, with delays and the cut that the message asked for."""
        delay_s = (self.fault(r"delay (\d+)ms") or 0) / 1000
        cut = self.fault(r"fault: cut after (\d+)")
        for index, piece in enumerate(self.pieces, self.first):
            if index == cut:
                raise ConnectionAbortedError
            await asyncio.sleep(delay_s)
            self.said += 1
            yield _event(self.event(piece))
        yield _event(self.event(None))
        if self.include_usage:
            kind = "chat.completion.chunk" if self.chat else "text_completion"
            yield _event({**self.head, "object": kind, "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"


class EchoEngine:
    """The engine as an ASGI application."""

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._in_flight = self._served = self._read = self._said = 0

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == "/health":
            await _reply(send, 200, b'{"status":"ok"}')
        elif path == "/metrics":
            counts = (
                f"llamacpp:requests_processing {self._in_flight}\nllamacpp:requests_deferred 0\n"
                f"llamacpp:requests_total {self._served}\n"
                f"llamacpp:prompt_tokens_total {self._read}\nllamacpp:tokens_predicted_total {self._said}\n"
            )
            await _reply(send, 200, counts.encode(), b"text/plain")
        elif path in ("/apply-template", "/tokenize"):
            await self._count(path == "/tokenize", receive, send)
        elif path in ("/v1/embeddings", "/v1/rerank"):
            await self._measure(path == "/v1/embeddings", receive, send)
        elif path in ("/v1/chat/completions", "/v1/completions"):
            self._in_flight += 1
            self._served += 1
            try:
                await self._complete(path == "/v1/chat/completions", receive, send)
            finally:
                self._in_flight -= 1
        else:
            await _reply(send, 404, _error(404, "not_found_error", "File Not Found"))

    async def _count(self, cut: bool, receive: _Receive, send: _Send) -> None:
        """A chat's prompt as one text, and a text's tokens."""
        body = msgspec.json.decode(await _whole_body(receive), type=dict[str, Any])
        if cut:
            return await _reply(send, 200, msgspec.json.encode({"tokens": list(range(len(body["content"].split())))}))
        prompt = "\n".join(_text(message.get("content")) for message in body["messages"])
        await _reply(send, 200, msgspec.json.encode({"prompt": prompt}))

    async def _measure(self, embeds: bool, receive: _Receive, send: _Send) -> None:
        """Numbers about text: the first bytes of its digest, and how many of its words are the query's."""
        body = msgspec.json.decode(await _whole_body(receive), type=dict[str, Any])
        asked = body["input"] if embeds else body["documents"]
        texts = [_text(one) for one in (asked if isinstance(asked, list) else [asked])]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer: dict[str, Any] = {"object": "list", "model": self._spec.name, "usage": usage}
        if embeds:
            base64_ = body.get("encoding_format") == "base64"
            answer["data"] = [
                {"object": "embedding", "index": place, "embedding": _embedding(text, base64_)}
                for place, text in enumerate(texts)
            ]
        else:
            words = set(_text(body["query"]).split())
            scores = [len(words & set(text.split())) / len(words) for text in texts]
            order = sorted(range(len(texts)), key=lambda place: -scores[place])[: body.get("top_n")]
            answer["results"] = [{"index": place, "relevance_score": scores[place]} for place in order]
        await _reply(send, 200, msgspec.json.encode(answer))

    async def _complete(self, chat: bool, receive: _Receive, send: _Send) -> None:
        body = await _whole_body(receive)
        try:
            answer = _Answer(self._spec, msgspec.json.decode(body, type=dict[str, Any]), chat)
        except msgspec.DecodeError as error:
            return await _reply(send, 400, _error(400, "invalid_request_error", str(error)))
        limit = self._spec.context_length
        if answer.prompt_tokens > limit:
            text = f"request ({answer.prompt_tokens} tokens) exceeds the available context size ({limit} tokens)"
            counts = {"n_prompt_tokens": answer.prompt_tokens, "n_ctx": limit}
            return await _reply(send, 400, _error(400, "exceed_context_size_error", text, counts))
        if "fault: hang" in answer.asked:
            await asyncio.sleep(3600)
        if (status := answer.fault(r"fault: status (\d+)")) is not None:
            return await _reply(send, status, _error(status, "server_error", "the fault that was asked for"))
        self._read += answer.prompt_tokens
        try:
            if answer.stream:
                return await _stream(send, receive, answer)
            async for _ in answer.events():  # the same delays and cuts as the stream
                pass
            await _reply(send, 200, msgspec.json.encode(answer.whole()))
        finally:
            self._said += answer.said


async def _whole_body(receive: _Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _embedding(text: str, base64_: bool) -> list[float] | str:
    """Eight numbers between 0 and 1, the same for the same text."""
    numbers = [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]]
    return base64.b64encode(struct.pack("<8f", *numbers)).decode() if base64_ else numbers


async def _stream(send: _Send, receive: _Receive, answer: _Answer) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    left = asyncio.ensure_future(receive())  # completes when the client goes
    try:
        async for event in answer.events():
            if left.done():
                return
            await send({"type": "http.response.body", "body": event, "more_body": True})
    finally:
        left.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _reply(send: _Send, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _error(code: int, kind: str, message: str, more: dict[str, Any] | None = None) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message, "type": kind, **(more or {})}})


def _text(content: object) -> str:
    if isinstance(content, list):
        return " ".join(_text(part.get("text") if isinstance(part, dict) else part) for part in content)
    return content if isinstance(content, str) else ""


def _adapters(spec: EngineSpec, body: dict[str, Any]) -> list[str]:
    asked = [entry["id"] for entry in body.get("lora", []) if entry.get("scale")]
    return [f"[{spec.adapter_names[index]}]" for index in asked]


class _Server(uvicorn.Server):
    """Says the port once the socket listens."""

    ready_file: Path

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        Announcement(port=self.servers[0].sockets[0].getsockname()[1]).write(self.ready_file)


def main(arguments: list[str]) -> None:
    """Serve until told to end."""
    spec = EngineSpec.read(Path(arguments[0]))
    application: Any = EchoEngine(spec)
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, lifespan="off", log_level="error", access_log=False, backlog=2048
    )
    server = _Server(config)
    server.ready_file = Path(spec.ready_file)
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
