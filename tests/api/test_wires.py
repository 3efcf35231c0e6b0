"""All wires at once, with faults and clients that leave: every answer ends once, as it must, and nothing is left."""

import asyncio
import json
import random

import httpx
from tests.gateway.harness import QUESTION

SHOWN = b"Hello"
WIRES = {
    "/v1/chat/completions": ({"messages": QUESTION}, (b"data: [DONE]",), b'data: {"error":'),
    "/v1/responses": ({"input": "Say hello"}, (b"event: response.completed",), b"event: error"),
    "/v1/messages": ({"messages": QUESTION, "max_tokens": 9}, (b"event: message_stop",), b"event: error"),
}
FAULTS = ["cut", "error", "no done", "failure", "drop", "garbage", "bad", "drip", "cut at once"]


async def one(api, http, chance):
    """One request of any wire: how it ended."""
    path = chance.choice(list(WIRES))
    members, (whole,), broken = WIRES[path]
    streamed, leaves = chance.random() < 0.7, chance.random() < 0.15
    body = json.dumps({"model": "tiny", "stream": streamed, **members})
    headers = {"authorization": f"Bearer {api.secret}"}
    async with http.stream("POST", api.url + path, content=body, headers=headers) as answer:
        got = b""
        async for piece in answer.aiter_raw():
            got += piece
            if leaves:
                return "left"
    if answer.status_code != 200:
        assert json.loads(got)["error"]["message"]
        return "refused"
    if not streamed:
        assert SHOWN in got
        return json.loads(got)["id"].partition("_")[2]
    last = got.removesuffix(b"\n\n").rsplit(b"\n\n", 1)[-1]
    assert last.startswith((whole, broken)), (path, last)
    assert got.count(whole) + got.count(broken) == 1, (path, got)
    return "complete" if last.startswith(whole) else "broken"


async def test_every_answer_ends_once_whatever_happens(api):
    chance = random.Random(3)
    api.engine.pause_s = 0.001
    api.engine.plan = [chance.choice(FAULTS) if chance.random() < 0.5 else "" for _ in range(400)]
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=None)) as http:
        asked = asyncio.gather(*(one(api, http, chance) for _ in range(120)))
        while not at_work():
            await asyncio.sleep(0.005)
        ends = await asked
    assert {"left", "refused", "complete", "broken"} <= set(ends)
    for _ in range(200):
        if api.journal.open_requests == len(api.events()) and not at_work():
            break
        await asyncio.sleep(0.02)
    events = api.events()
    assert api.journal.open_requests == len(events)
    assert len({event.id for event in events}) == len(events) <= 120
    assert {event.kind for event in events} == {"chat.completion", "response", "message"}
    assert at_work() == []
    assert b"argosy_requests_in_flight 0.0" in (await _metrics(api))


def at_work():
    """Tasks of requests, those of the engine and of the test left out."""
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("RequestResponseCycle", "Archive", "Dispatch", "Journal"))]


async def _metrics(api):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{api.url}/metrics")).content
