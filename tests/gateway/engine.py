"""An OpenAI-shaped engine in the test process, with faults on order: ``Engine.plan`` says what each request meets."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = ["Hello", ",", " world", "!"]
FIRST_WORD = 100
"""The token of the first word; the others' follow."""
NAME = "/models/secret-path.gguf"


@dataclass
class Engine:
    """Answers ``WORDS``. ``plan`` holds one fault per request to come: "refuse", "cut", "hang", "stall", ..."""

    plan: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    aside_plan: list[str] = field(default_factory=list)
    """The same for questions about its template and tokens, which are kept apart."""
    asides: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cancelled: int = 0
    """Requests whose connection was closed by the gateway before the answer was complete."""
    url: str = ""
    pause_s: float = 0.0
    tokenizes: str = "well"
    """How it answers what tokens a text has: "well", "not at all", or "otherwise", as if it said other tokens."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        try:
            body = json.loads(await request.read())
        except RecursionError:
            return web.json_response({"error": {"message": "too deep"}}, status=400)
        if request.path in ("/apply-template", "/tokenize"):
            self.asides.append((request.path, body))
            if self.tokenizes == "not at all":
                return web.json_response({"error": {"message": "File Not Found"}}, status=404)
            return await self._answer(request, body, self.aside_plan.pop(0) if self.aside_plan else "")
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.paths.append(request.path)
        fault = self.plan.pop(0) if self.plan else ""
        try:
            return await self._answer(request, body, fault)
        except (asyncio.CancelledError, ConnectionResetError):
            self.cancelled += 1
            raise

    def _tokens(self, body: dict[str, Any]) -> dict[str, Any]:
        """Each word of a text is a token. In a list, the prompt's are 31, and each piece that it says is one."""
        if "messages" in body:
            return {"prompt": " ".join(message["content"] for message in body["messages"])}
        if isinstance(body["content"], str):
            return {"tokens": list(range(len(body["content"].split())))}
        spaced = " " if self.tokenizes == "otherwise" else ""
        said = [{"id": FIRST_WORD + WORDS.index(word), "piece": spaced + word} for word in body["content"][1:]]
        return {"tokens": [{"id": 7, "piece": "p"}] * 31 + said}

    async def models(self, request: web.Request) -> web.Response:
        """As a provider lists its models."""
        if request.headers.get("authorization") != "Bearer sk-of-the-provider-0123":
            return web.json_response({"error": {"message": "bad key of account 4711"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": "grand"}, {"id": "models/small"}]})

    async def _answer(self, request: web.Request, body: dict[str, Any], fault: str) -> web.StreamResponse:
        if fault == "drop":
            _abort(request)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault in _REFUSALS:
            status, error = _REFUSALS[fault]
            return web.json_response({"error": error}, status=status, headers=_HEADERS.get(fault))
        if fault == "empty body":
            return web.Response(body=b"", content_type="application/json")
        if fault == "garbage":
            return web.Response(body=b"<html>oops</html>", content_type="text/html")
        if request.path in ("/apply-template", "/tokenize"):
            return web.json_response(self._tokens(body))
        if request.path.endswith("/count_tokens"):
            return web.json_response({"input_tokens": 42})
        if "input" in body or "documents" in body:
            return web.json_response(_numbers(body))
        chat = "messages" in body
        if body.get("stream"):
            return await self._stream(request, body, chat, fault)
        await asyncio.sleep(self.pause_s)
        if body.get("tools") and body.get("tool_choice") != "none":  # as providers know them
            function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Rome"}'}
            answer = _whole(chat, "")
            call = {"id": "call_1", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "call_2"}]}
            answer["choices"][0] |= {"message": message, "finish_reason": "tool_calls"}
            return web.json_response(answer)
        if body.get("response_format", {}).get("type") == "json_schema":
            choices = body["response_format"]["json_schema"]["schema"].get("anyOf")
            if choices and "answer" in choices[-1]["properties"]:
                return web.json_response(_whole(chat, '{"answer": {"sky": "blue", "n": 1.50}}'))
            if choices:
                return web.json_response(_whole(chat, json.dumps({"reply": 'It is "sunny".'})))
            return web.json_response(_whole(chat, '{"name": "get_weather", "arguments": {"city": "Paris"}}'))
        return web.json_response(_whole(chat))

    async def _stream(self, request: web.Request, body: dict[str, Any], chat: bool, fault: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if fault == "hang after headers":
            await asyncio.sleep(60)
        if fault == "garbage events":
            await response.write(b"data: {oops\n\n")
        if fault.startswith("flood"):
            await _flood(response, math.inf if fault == "flood" else 500)
        for number, event in enumerate(_events(chat, body)):
            if (fault == "cut" and number == 4) or (fault == "cut at once" and number == 0):
                _abort(request)
            if fault == "error" and number == 4:
                event = {"error": {"message": "core dumped at 0x7f", "code": 500}}
            if (fault == "stall" and number == 4) or (fault == "no token" and "Hello" in str(event)):
                await asyncio.sleep(60)
            await asyncio.sleep(0.15 if fault == "slow" else self.pause_s)
            text = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
            for piece in (text[:11], text[11:]) if fault == "drip" else (text,):
                await response.write(piece)
                if fault == "drip":
                    await asyncio.sleep(0.001)
        if fault != "no done":
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _numbers(body: dict[str, Any]) -> dict[str, Any]:
    count = len(body.get("documents") or body["input"])
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    vectors = [{"object": "embedding", "index": i, "embedding": [0.5, i]} for i in range(count)]
    scores = [{"index": i, "relevance_score": 1 / (1 + i)} for i in range(count)]
    shown = {"results": scores} if "documents" in body else {"data": vectors}
    return {"object": "list", "model": NAME, "usage": usage, **shown}


_REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "loading": (503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}),
    "failure": (500, {"code": 500, "message": "segfault in /usr/lib/secret.so", "type": "server_error"}),
    "busy": (503, {"message": "account 4711 has no room"}),
    "limit for long": (429, {"message": "account 4711 is over its limit"}),
    "limit": (429, {"message": "account 4711 is over its limit"}),
    "bad key": (401, {"message": "bad key of account 4711"}),
    "no model": (404, {"message": "no such model for account 4711"}),
    "not its own": (
        500,
        {"code": 500, "message": "Failed to parse messages: [json.exception.out_of_range.403] key 'text' not found"},
    ),
    "no eyes": (
        500,
        {"code": 500, "message": "image input is not supported - hint: you may need to provide the mmproj"},
    ),
    "moved": (302, {"message": "elsewhere"}),
    "bad": (
        400,
        {
            "code": 400,
            "message": "Field 'top_k': [json.exception.type_error.302] type must be number, but is string",
            "type": "invalid_request_error",
        },
    ),
    "too long": (
        400,
        {
            "code": 400,
            "message": "request (9031 tokens) exceeds the available context size (8192 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 9031,
            "n_ctx": 8192,
        },
    ),
}
_HEADERS = {"busy": {"retry-after": "7"}, "limit for long": {"retry-after": "11"}}
USAGE = {
    "prompt_tokens": 31,
    "completion_tokens": len(WORDS),
    "total_tokens": 31 + len(WORDS),
    "prompt_tokens_details": {"cached_tokens": 24},
}


def _whole(chat: bool, text: str = "".join(WORDS)) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "choices": [{"finish_reason": "stop", "index": 0, **shown}],
        "created": 1,
        "model": NAME,
        "object": "chat.completion" if chat else "text_completion",
        "usage": USAGE,
        "id": "chatcmpl-engine",
    }


def _events(chat: bool, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What llama.cpp sends: progress, the role, the words, the end, and usage (in the last choice of a text).

    A last message of the assistant is carried on, as llama.cpp does, and so are the tokens of a prompt.
    """

    def event(**members: Any) -> dict[str, Any]:
        return {"choices": [], "created": 1, "id": "chatcmpl-engine", "model": NAME, "object": "chunk", **members}

    def choice(finish: str | None = None, **shown: Any) -> dict[str, Any]:
        return {"choices": [{"finish_reason": finish, "index": 0, **shown}]}

    if chat:
        said = body["messages"][-1]["content"] if body["messages"][-1]["role"] == "assistant" else ""
        carried = next(count for count in range(len(WORDS) + 1) if "".join(WORDS[:count]) == said)
        usage = {"prompt_tokens": 31 + carried, "completion_tokens": len(WORDS) - carried, "total_tokens": 35}
        role = choice(delta={"role": "assistant", "content": None})
        events = [event(**role)] + [event(**choice(delta={"content": word})) for word in WORDS[carried:]]
        if body.get("return_progress"):
            events.insert(0, event(**role, prompt_progress={"total": 31 + carried, "cache": 24, "processed": 31}))
        return [*events, event(**choice("stop", delta={})), event(usage=USAGE | usage)]
    carried = len(body["prompt"]) - 31 if isinstance(body.get("prompt"), list) else 0
    usage = {"prompt_tokens": 31 + carried, "completion_tokens": len(WORDS) - carried, "total_tokens": 35}
    words = [event(**choice(text=word, logprobs=None)) for word in WORDS[carried:]]
    return [*words, event(**choice("stop", text="", logprobs=None), usage=USAGE | usage)]


async def _flood(response: web.StreamResponse, events: float) -> None:
    """More than any buffer on the way holds."""
    event = {"choices": [{"index": 0, "delta": {"content": "x" * 50_000}}], "id": "chatcmpl-engine", "model": NAME}
    text = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
    while events > 0:
        await response.write(text)
        events -= 1


def _abort(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


@contextlib.asynccontextmanager
async def running_engine(route: Callable[[Engine], None] = lambda _: None) -> AsyncIterator[Engine]:
    """An engine on a free port."""
    engine = Engine()
    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/{path:.*}", engine.answer)
    application.router.add_get("/{path:.*}/models", engine.models)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    engine.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    route(engine)
    try:
        yield engine
    finally:
        await runner.cleanup()
