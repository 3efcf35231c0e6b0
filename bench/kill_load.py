"""Callers of a platform that is being killed: what each of them asked for, and what it was told, to the last token.

Whole answers, streams, and streams that are left in the middle, from the echo engine, whose tokens are words: so what a
complete answer must report is known beforehand. Some of them come with a key that has little to spend.
"""

import asyncio
import json
import random
import threading
from dataclasses import dataclass, field

import aiohttp

CALLERS = 6
PAUSE_S = 0.02
"""Between two requests of a caller: enough to be a moderate load on two cores."""
LITTLE_CALLERS = 2
"""How many of them have little to spend."""
LIMIT_S = 20.0
_WORDS = ["the", "ships", "of", "one", "merchant", "fleet", "come", "home", "with", "evening", "tide"]


@dataclass
class Asked:
    """One request as its client saw it."""

    stream: bool
    leaves: bool
    words: int
    """Of the question, and so of the whole answer."""
    id: str | None = None
    """From the head of the response; None if there was none: then nobody knows whether it began."""
    status: int = 0
    usage: tuple[int, int] | None = None
    """Tokens of prompt and answer, as reported at the end of a complete response; None if it was not complete."""
    seen: int = 0
    """Tokens that arrived."""
    trouble: str = ""


@dataclass
class Load:
    """Callers in a thread of their own, from `start` to `stop`."""

    url: str
    key: str
    little_key: str
    """Of those that have little to spend: they bound their answers, so that something of it can be had."""
    seed: int
    asked: list[Asked] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self._thread.start()

    def stop(self) -> list[Asked]:
        """Let the callers end the requests that they are at; all that were asked."""
        self._stopping.set()
        self._thread.join()
        return self.asked

    async def _run(self) -> None:
        chance = random.Random(self.seed)
        await asyncio.gather(*(self._caller(random.Random(chance.random()), n) for n in range(CALLERS)))

    async def _caller(self, chance: random.Random, number: int) -> None:
        bounded = number < LITTLE_CALLERS
        headers = {"authorization": f"Bearer {self.little_key if bounded else self.key}"}
        connector = aiohttp.TCPConnector(force_close=True)  # so that each request may come to another process
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            while not self._stopping.is_set():
                kind = chance.choice(["whole", "stream", "stream", "leaves"])
                text = " ".join(["delay 15ms", *chance.choices(_WORDS, k=chance.randint(1, 20))])
                one = Asked(kind != "whole", kind == "leaves", len(text.split()))
                self.asked.append(one)
                try:
                    async with asyncio.timeout(LIMIT_S):
                        await _ask(session, self.url, text, one, bounded)
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    one.trouble = repr(error)
                await asyncio.sleep(PAUSE_S)


async def _ask(session: aiohttp.ClientSession, url: str, text: str, one: Asked, bounded: bool) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": text}], "stream": one.stream}
    if bounded:
        body["max_tokens"] = one.words
    if one.stream:
        body["stream_options"] = {"include_usage": True}
    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
        one.id, one.status = answer.headers.get("x-request-id"), answer.status
        if answer.status != 200:
            one.trouble = (await answer.text())[:200]
        elif not one.stream:
            usage = (await answer.json())["usage"]
            one.usage = usage["prompt_tokens"], usage["completion_tokens"]
            one.seen = usage["completion_tokens"]
        else:
            await _read(answer, one)


async def _read(answer: aiohttp.ClientResponse, one: Asked) -> None:
    usage = None
    async for line in answer.content:
        data = line.removeprefix(b"data: ").strip()
        if data == b"[DONE]":
            one.usage = usage
            return
        if not line.startswith(b"data: "):
            continue
        event = json.loads(data)
        if "error" in event:
            one.trouble = str(event["error"])[:200]
            return
        if said := event.get("usage"):
            usage = said["prompt_tokens"], said["completion_tokens"]
        one.seen += sum(bool(choice["delta"].get("content")) for choice in event["choices"])
        if one.leaves and one.seen >= 3:
            answer.close()
            return
