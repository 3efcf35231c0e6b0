"""A provider in the test process that carries on what it is given, in one of the ways there are. Faults on order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = [
    "The",
    " harbour",
    " of",
    " Trieste",
    " freezes",
    " rarely",
    ",",
    " and",
    " ships",
    " come",
    " all",
    " year",
    ".",
]
TEXT = "".join(WORDS)


@dataclass
class Company:
    """``plan`` holds one fault per request: "cut 5" after so many words, "stall 5", "400", "busy", ..."""

    flag: str = ""
    """The member that it wants to be true in a last message of the assistant."""
    repeats: bool = False
    counts_repeated: bool = False
    """Whether what it repeats is among the tokens that it says it wrote."""
    words: list[str] = field(default_factory=lambda: list(WORDS))
    plan: list[str] = field(default_factory=list)
    heard: int = 0
    """Words that the client has, as the test counts them: a fault waits until it has all that were written."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the client has the end of the answer, in the same way."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    runner: web.AppRunner | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = json.loads(await request.read())
        self.bodies.append(body)
        fault, _, count = (self.plan.pop(0) if self.plan else "").partition(" ")
        if fault.isdigit():
            error = {"error": {"message": "Expected last role User"}}
            return web.json_response(error, status=int(fault), headers={"retry-after": "9"} if fault == "429" else None)
        given = self._given(body)
        if given is None:
            return web.json_response({"error": {"message": "the flag is missing"}}, status=400)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await self._say(request, response, "prompt" in body, self._pieces(given, body), (fault, int(count or 0)))
        return response

    def _given(self, body: dict[str, Any]) -> str | None:
        """The answer so far; None if it is not given in the right way."""
        if "prompt" in body:
            return body["prompt"].removeprefix("Say")
        last = body["messages"][-1]
        if last["role"] != "assistant":
            return ""
        return last["content"] if not self.flag or last.get(self.flag) is True else None

    def _pieces(self, given: str, body: dict[str, Any]) -> list[str]:
        there = next(n for n in range(len(self.words) + 1) if "".join(self.words[:n]) == given)
        rest = self.words[there : there + (body.get("max_tokens") or 99)]
        again = [given[at : at + 7] for at in range(0, len(given), 7)] if self.repeats else []
        self._before = there - len(again)
        self._usage = {
            "prompt_tokens": 31 + there,
            "completion_tokens": len(rest) + (there if self.counts_repeated else 0),
            "total_tokens": 0,
        }
        return again + rest

    async def _say(
        self, request: web.Request, response: web.StreamResponse, text: bool, pieces: list[str], fault: tuple[str, int]
    ) -> None:
        kind, at = fault

        async def event(**members: Any) -> None:
            head = {"id": "chatcmpl-company", "model": "grand-2026", "object": "chunk", "created": 1, "choices": []}
            await response.write(b"data: " + json.dumps({**head, **members}, separators=(",", ":")).encode() + b"\n\n")

        def choice(finish: str | None = None, **shown: Any) -> dict[str, Any]:
            return {"choices": [{"index": 0, "finish_reason": finish, **shown}]}

        if not text:
            await event(**choice(delta={"role": "assistant", "content": ""}))
        for number, piece in enumerate(pieces):
            if number == at:
                await self._fail(kind, at, request, event)
            await event(**choice(text=piece) if text else choice(delta={"content": piece}))
        if at == len(pieces):
            await self._fail(kind, at, request, event)
        await event(**choice("stop", text="") if text else choice("stop", delta={}))
        if kind == "unsaid":  # the end was told, the usage is lost
            await asyncio.wait_for(self.finished.wait(), 5)
            self._abort(request)
        await event(usage=self._usage)
        await response.write(b"data: [DONE]\n\n")

    async def _fail(self, kind: str, at: int, request: web.Request, event: Any) -> None:
        if kind in ("", "unsaid"):
            return
        async with asyncio.timeout(5):
            while self.heard < self._before + at:
                await asyncio.sleep(0.002)
        if kind == "stall":
            await asyncio.sleep(60)
        if kind == "error":
            await event(error={"message": "account 4711 broke"})
        if kind == "thinks":
            await event(choices=[{"index": 0, "delta": {"reasoning_content": "hm"}}])
            await asyncio.sleep(0.05)
        if kind == "gone":
            assert self.runner is not None
            for site in list(self.runner.sites):
                await site.stop()
        self._abort(request)

    @staticmethod
    def _abort(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def running_company() -> AsyncIterator[Company]:
    """A provider on a free port."""
    company = Company()
    application = web.Application()
    application.router.add_post("/{path:.*}", company.answer)
    company.runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await company.runner.setup()
    await web.TCPSite(company.runner, "127.0.0.1", 0).start()
    company.url = f"http://127.0.0.1:{company.runner.addresses[0][1]}"
    try:
        yield company
    finally:
        await company.runner.cleanup()
