"""Tokens/s of the engine, bare and through the API, alternating in one run.

usage: python bench/engine_through_api.py API_URL KEY MODEL ENGINE_URL [TOKENS] [ROUNDS]     (prints JSON)
Both get the same streamed chat completions of TOKENS new tokens each, at 1 and at 16 streams, with the same client.
``ratio`` is the median over rounds of through ÷ bare, the order of the two changing from round to round.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import aiohttp
import uvloop

STREAMS = (1, 16)


async def one(session: aiohttp.ClientSession, url: str, headers: dict[str, str], body: dict[str, Any]) -> int:
    """One stream, read to its end; returns the new tokens that its usage reports."""
    last = tail = b""
    async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            tail = (tail + data)[-4096:]
    for line in tail.split(b"\n\n"):
        last = line if b'"usage":{' in line else last
    return int(json.loads(last.removeprefix(b"data: "))["usage"]["completion_tokens"])


async def speed(url: str, key: str, model: str, streams: int, tokens: int, salt: str) -> float:
    """Tokens per second of some streams side by side, from the first request to the last answer."""
    headers = {"authorization": f"Bearer {key}"}
    bodies = [
        {
            "model": model,
            "messages": [{"role": "user", "content": f"{salt} {number}: tell me a long story about a merchant ship."}],
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
            "temperature": 0.8,
            "seed": number,
        }
        for number in range(streams)
    ]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        start = time.perf_counter()
        counts = await asyncio.gather(*(one(session, url, headers, body) for body in bodies))
    return sum(counts) / (time.perf_counter() - start)


async def measure(api: str, key: str, model: str, engine: str, tokens: int, rounds: int) -> dict[str, Any]:
    """Readings of both, and their ratio, at each number of streams."""
    places = {"bare": engine, "through": api}
    for name, url in places.items():
        await speed(url, key, model, 2, 16, f"warm {name}")
    result: dict[str, Any] = {"tokens_each": tokens, "rounds": rounds}
    for streams in STREAMS:
        readings: dict[str, list[float]] = {name: [] for name in places}
        for round_ in range(rounds):
            for name in sorted(places, reverse=round_ % 2 == 1):
                salt = f"{round_}"
                readings[name].append(await speed(places[name], key, model, streams, tokens, salt))
        ratios = [a / b for a, b in zip(readings["through"], readings["bare"], strict=True)]
        result[f"{streams} streams"] = {
            "bare_tokens_per_s": round(statistics.median(readings["bare"]), 1),
            "through_tokens_per_s": round(statistics.median(readings["through"]), 1),
            "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
        }
    return result


if __name__ == "__main__":
    api, key, model, engine = (argument.removesuffix("/v1") for argument in sys.argv[1:5])
    tokens = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    rounds = int(sys.argv[6]) if len(sys.argv) > 6 else 5
    print(json.dumps(uvloop.run(measure(api, key, model, engine, tokens, rounds)), indent=1))
