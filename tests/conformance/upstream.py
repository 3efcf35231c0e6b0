"""A provider whose every answer the test writes beforehand, for what no small model can be relied on for.

It runs in a thread of the test process and is reached over its socket, as any provider is.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USAGE = {
    "prompt_tokens": 31,
    "completion_tokens": 4,
    "total_tokens": 35,
    "prompt_tokens_details": {"cached_tokens": 24},
}
_HEAD = {"id": "chatcmpl-of-the-provider", "created": 1_700_000_000, "model": "its-own-name"}


@dataclass(frozen=True)
class Call:
    """One function that the model calls."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Says:
    """A good answer: ``words`` or calls, told whole or as a stream, as the request wants it."""

    words: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish: str = ""
    then: str = ""
    """What happens to a stream after its words: "" ends it well, "cut" cuts the socket, "hang" says no more."""

    @property
    def ends(self) -> str:
        """The ``finish_reason``."""
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True)
class Fails:
    """A refusal with a status."""

    status: int
    message: str = "account 4711 is in trouble"
    retry_after: int | None = None


@dataclass(frozen=True)
class Hangs:
    """No answer at all, until the other side goes away."""


Step = Says | Fails | Hangs


@dataclass
class Script:
    """What one provider is going to answer, one step a request, and what it was asked."""

    steps: list[Step] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set once the gateway has closed the connection of an answer that was not complete."""

    def will(self, *steps: Step) -> None:
        """Answer the requests to come in this way."""
        self.steps += steps


class Upstream:
    """All scripted providers on one port, each below its own path."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="scripted upstream")
        self._thread.start()
        self.url = self._do(self._start)

    def script(self, name: str) -> Script:
        """The script of a new provider; it is reached at ``url/name/v1``."""
        made = self._scripts[name] = Script()
        return made

    def stop(self) -> None:
        """Close the port and end the thread."""
        self._do(self._runner.cleanup)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    async def _start(self) -> str:
        application = web.Application(client_max_size=1 << 26)
        application.router.add_post("/{name}/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        script, body = self._scripts[request.match_info["name"]], json.loads(await request.read())
        script.bodies.append(body)
        step = script.steps.pop(0) if script.steps else Fails(500, "nothing was written for this request")
        try:
            return await _told(request, body, step)
        except (asyncio.CancelledError, ConnectionError):
            script.left.set()
            raise


async def _told(request: web.Request, body: dict[str, Any], step: Step) -> web.StreamResponse:
    if isinstance(step, Hangs):
        await asyncio.sleep(600)
    if isinstance(step, Fails):
        headers = {} if step.retry_after is None else {"retry-after": str(step.retry_after)}
        return web.json_response({"error": {"message": step.message}}, status=step.status, headers=headers)
    assert isinstance(step, Says)
    if not body.get("stream"):
        return web.json_response(_whole(step))
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in _deltas(step):
        await _send(response, event)
    if step.then == "hang":
        await asyncio.sleep(600)
    if step.then == "cut":
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError
    await _send(response, {"delta": {}, "finish_reason": step.ends})
    await response.write(_event({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}))
    await response.write(b"data: [DONE]\n\n")
    return response


def _whole(step: Says) -> dict[str, Any]:
    calls = [_call(number, call) for number, call in enumerate(step.calls)]
    message = {"role": "assistant", "content": "".join(step.words) if step.words else None, "refusal": step.refusal}
    message |= {"tool_calls": calls} if calls else {}
    choice = {"index": 0, "message": message, "finish_reason": step.ends}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}


def _deltas(step: Says) -> list[dict[str, Any]]:
    """As OpenAI streams: the role first, words one by one, a call's name and then its arguments in two pieces."""
    told: list[dict[str, Any]] = [{"role": "assistant", "content": None if step.calls else ""}]
    told += [{"content": word} for word in step.words]
    told += [{"refusal": step.refusal}] if step.refusal else []
    for number, call in enumerate(step.calls):
        whole = _call(number, call)
        arguments = whole["function"]["arguments"]
        half = len(arguments) // 2
        told.append({"tool_calls": [{"index": number, **whole, "function": {"name": call.name, "arguments": ""}}]})
        for piece in (arguments[:half], arguments[half:]):
            told.append({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    return [{"delta": delta, "finish_reason": None} for delta in told]


def _call(number: int, call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": f"call_{number}", "type": "function", "function": function}


async def _send(response: web.StreamResponse, choice: dict[str, Any]) -> None:
    told = {**_HEAD, "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
    await response.write(_event(told))


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"
