"""A soak: mixed faults for half an hour on a platform of its own, and every outcome explained.

    python -m bench.soak --to out/bench/soak.json [--minutes 30]

Behind the real API, over sockets: two providers that meet a share of their requests with a fault of the gateway's fault
suite, and two replicas of the starter model on llama.cpp, one of which is killed with -9 now and then. Callers ask for
whole answers and streams, some leave in the middle, some read slowly. Each outcome is compared with what was promised:

- whole: the very text that was to come, to its end;
- near tie: greedy, with other words, of which each is the engine's first choice or closer to it than such a gap was
  seen to move between an answer alone and one among others, in the beginning (near_ties.py); counted apart;
- told: an error event at the end of a stream that had begun, and no [DONE];
- refused: an HTTP error in OpenAI's shape, of a kind that says that all targets failed, within the route's deadline;
- left: the caller went away on purpose.

Everything else is unexplained. What the engine said otherwise is kept, with whether it was carried on and how many
other answers there were at the time. Afterwards each request has the usage row that its outcome asks for and no other
one, nothing is in flight, and the API process has the descriptors that it began with.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil
from aiohttp import web
from tests.gateway.engine import WORDS, Engine

from argosy.demo.platform import STARTER, OwnPlatform, fresh_home
from argosy.runtime import Database
from argosy.serving import routes
from bench import near_ties
from bench.soak_outcomes import Soak, check_usage, judge, judge_differing

FAULTS = [
    "drop", "hang", "failure", "busy", "limit", "bad key", "no model", "garbage", "empty body", "cut at once", "cut",
    "error", "stall", "no token", "hang after headers", "garbage events", "slow", "drip",
]  # fmt: skip
FAULTY = {"primary": 0.3, "backup": 0.02}
"""Share of requests that meet a fault."""
TEXT = "".join(WORDS)
TOKENS = 16
"""Of an answer of the engine."""
ASKS = ["Name a colour.", "Say something about the sea.", "What is two plus two?", "Write a short greeting."]
PATIENCE = {"first_token": 1.5, "stall": 1.5, "total": 6.0}
ENGINE_PATIENCE = {"first_token": 20.0, "stall": 20.0, "total": 60.0}
LATE_S = 3.0
"""Beyond a route's deadline, on a busy machine."""
KILL_EVERY_S = 20.0


class Faulty(Engine):
    """A provider that meets some requests with a fault, drawn anew for each."""

    def __init__(self, share: float, chance: random.Random) -> None:
        super().__init__()
        self._share, self._chance = share, chance
        self.count = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.count += 1
        self.plan = [self._chance.choice(FAULTS)] if self._chance.random() < self._share else []
        try:
            return await super().answer(request)
        finally:
            for seen in (self.bodies, self.headers, self.paths):
                seen.clear()


async def one(soak: Soak, session: aiohttp.ClientSession, chance: random.Random, expected: dict[str, str]) -> None:
    """One request, looked at until its end."""
    model = chance.choice(["chat", "chat", "pair", "small"] if expected else ["chat", "pair"])
    ask = chance.choice(list(expected)) if model == "small" else "Say hello"
    stream, leaves, slow = chance.random() < 0.6, chance.random() < 0.05, chance.random() < 0.03
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": ask}], "stream": stream}
    if model == "small":
        body |= {"temperature": 0, "max_tokens": TOKENS}
    wanted = expected.get(ask, TEXT) if model == "small" else TEXT
    limit_s = (ENGINE_PATIENCE if model == "small" else PATIENCE)["total"] + LATE_S
    began, request_id, said = time.monotonic(), None, b""
    soak.of_engine += model == "small"
    beside = soak.of_engine - 1
    try:
        async with asyncio.timeout(limit_s), session.post(f"{soak.url}/v1/chat/completions", json=body) as answer:
            request_id = answer.headers.get("x-request-id")
            async for piece in answer.content.iter_any():
                said += piece
                if leaves and chance.random() < 0.5:
                    answer.close()
                    return soak.note(request_id, "left", "", 0.0)
                if slow:
                    await asyncio.sleep(0.2)
        outcome, what = judge(answer.status, stream, said, wanted)
        if outcome == "other words" and model == "small":
            seen = {"id": request_id, "ask": ask, "stream": stream, "said": what, "wanted": wanted, "beside": beside}
            soak.differing.append(seen)  # judged when the engine is alone again
            return soak.note(request_id, "whole", "", time.monotonic() - began)
        if outcome == "other words":
            outcome, what = "unexplained", f"{model}: {what!r}, wanted {wanted!r}"
    except TimeoutError:
        outcome, what = "unexplained", f"{model}: no end within {limit_s} s after {said[-200:]!r}"
    except aiohttp.ClientError as error:
        outcome, what = "unexplained", f"{model}: {error!r} after {said[-200:]!r}"
    finally:
        soak.of_engine -= model == "small"
    soak.note(request_id, outcome, what, time.monotonic() - began)


async def killing(api_pid: int, until: float, chance: random.Random) -> int:
    """Kill one engine with -9 now and then. Returns how many."""
    killed = 0
    root = psutil.Process(api_pid).parent()
    assert root is not None
    while time.monotonic() < until - KILL_EVERY_S:
        await asyncio.sleep(KILL_EVERY_S * (0.5 + chance.random()))
        engines = [
            one for one in root.children(recursive=True) if "serving.engines.llama_cpp" in " ".join(one.cmdline())
        ]
        if len(engines) > 1:  # with the only one gone, requests would rightly be refused
            chance.choice(engines).kill()
            killed += 1
    return killed


def api_of(platform: OwnPlatform) -> psutil.Process:
    """The API's process."""
    root = psutil.Process(json.loads((platform.home / "up.json").read_text())["pid"])
    return next(one for one in root.children() if "api" in one.cmdline())


def set_up(platform: OwnPlatform, providers: dict[str, Faulty]) -> None:
    """Providers, their models, two replicas of the starter model, and the routes."""
    client = platform.client()
    prices = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}
    for name, engine in providers.items():
        body = {"name": name, "key": "sk-of-the-provider-0123", "base_url": f"{engine.url}/v1", "private": True}
        client.post("/providers", body=body, cast_to=object)
        body = {"model": name, "provider": name, "provider_model": name, "prices": prices}
        client.post("/deployments", body=body, cast_to=object)
    client.post("/deployments", body={"model": STARTER, "replicas": 2}, cast_to=object)
    both = [{"model": "primary"}, {"model": "backup"}]
    for name, targets, patience in (
        ("chat", [both[0], {**both[1], "priority": 1}], PATIENCE),
        ("pair", both, PATIENCE),
        ("small", [{"model": STARTER}], ENGINE_PATIENCE),
    ):
        client.put(f"/routes/{name}", body={"targets": targets, "deadlines": patience}, cast_to=object)
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        found = client.get(f"/deployments/{STARTER}", cast_to=dict)
        if found["state"] == "ready" and len(found["replicas"]) == 2:
            return
        time.sleep(0.5)
    raise SystemExit("the second replica did not come up")


def greedy(platform: OwnPlatform) -> dict[str, str]:
    """What the engine says when nothing goes wrong."""
    found = {}
    for ask in ASKS:
        answer = platform.client().chat.completions.create(
            model=STARTER, messages=[{"role": "user", "content": ask}], temperature=0, max_tokens=TOKENS
        )
        found[ask] = answer.choices[0].message.content or ""
    return found


def engine_of(platform: OwnPlatform) -> near_ties.Engine:
    """One of the replicas of the starter model as it stands now."""
    database = Database(f"sqlite:///{platform.home / 'argosy.sqlite'}")
    with database.read() as tx:
        url = next(route.url for route in routes(tx) if route.model == STARTER and route.url)
    database.close()
    return near_ties.Engine(url)


def measure_unrest(platform: OwnPlatform) -> float:
    """How far log probabilities move. A deployment that has just changed may still be exchanging its engines."""
    for _ in range(10):
        try:
            return near_ties.unrest(engine_of(platform), ASKS, TOKENS)
        except httpx.TransportError:
            time.sleep(3)
    raise SystemExit("no engine stays")


async def soak_it(platform: OwnPlatform, minutes: float, callers: int, seed: int) -> dict[str, Any]:
    """The whole of it."""
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        providers = {}
        for name, share in FAULTY.items():
            engine = providers[name] = Faulty(share, random.Random(chance.random()))
            application = web.Application(client_max_size=1 << 26)
            application.router.add_post("/{path:.*}", engine.answer)
            application.router.add_get("/{path:.*}/models", engine.models)
            runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            engine.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await asyncio.to_thread(set_up, platform, providers)
        expected = await asyncio.to_thread(greedy, platform)
        unrest = await asyncio.to_thread(measure_unrest, platform)
        soak, api = Soak(platform.url, platform.key), api_of(platform)
        await asyncio.sleep(2)
        descriptors, memory = api.num_fds(), api.memory_info().rss
        until = time.monotonic() + minutes * 60

        async def caller(own: random.Random) -> None:
            headers = {"authorization": f"Bearer {platform.key}"}
            async with aiohttp.ClientSession(headers=headers) as session:
                while time.monotonic() < until:
                    await one(soak, session, own, expected)
                    await asyncio.sleep(own.random() * 0.1)

        kills = asyncio.create_task(killing(api.pid, until, random.Random(chance.random())))
        tasks = [asyncio.create_task(caller(random.Random(chance.random()))) for _ in range(callers)]
        while time.monotonic() < until:
            await asyncio.sleep(min(60, max(0.1, until - time.monotonic())))
            print(f"{dict(soak.counts)}, {api.memory_info().rss >> 20} MB, {api.num_fds()} fds", file=sys.stderr)
        await asyncio.gather(*tasks)
        killed = await kills
        await asyncio.sleep(5)
        logs, engine = platform.home / "logs", engine_of(platform)
        await asyncio.to_thread(judge_differing, soak, engine, logs, TOKENS, unrest)
        requests = sum(soak.counts.values())
        attempts = sum(engine.count for engine in providers.values())
        metrics = await asyncio.to_thread(lambda: platform.client().get("/../metrics", cast_to=str))
        in_flight = next(line for line in metrics.splitlines() if line.startswith("argosy_requests_in_flight "))
        wrong = check_usage(platform.home, soak, len(ASKS))
        return {
            "minutes": minutes,
            "requests": requests,
            "outcomes": dict(soak.counts),
            "refusals": dict(soak.refusals),
            "unexplained": soak.unexplained[:20],
            "unrest": unrest,
            "differing": soak.differing[:50],
            "usage_rows_wrong": wrong[:20],
            "usage_rows_wrong_count": len(wrong),
            "slowest_s": round(soak.slowest_s, 2),
            "engines_killed": killed,
            "asked_of_providers": attempts,
            "in_flight_after": float(in_flight.split()[1]),
            "descriptors": [descriptors, api.num_fds()],
            "memory_mb": [memory >> 20, api.memory_info().rss >> 20],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--callers", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path("out/bench/soak-home"))
    chosen = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # its connections are cut on purpose
    with OwnPlatform(fresh_home(chosen.home)) as platform:
        platform.wait(lambda text: print(text, file=sys.stderr))
        found = asyncio.run(soak_it(platform, chosen.minutes, chosen.callers, chosen.seed))
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
