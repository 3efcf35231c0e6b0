"""What the gateway costs: requests/s, latency, events/s and memory, beside a featureless gateway and other peers.

usage: python bench/gateway_overhead.py [--seconds 4] [--rounds 3] [--requests 1000000] [--peers]     (prints JSON)
The gateway under test has core 0, the load generator and the mock engine share core 1; all take turns in one run.
``ratio`` is ours to the floor's requests/s, the median over rounds. Ours has keys, routing, prices and a journal with
fsync; the floor has nothing. ``half_load`` paces its requests, and counts the time of each from when it was due, so
that a stall is not hidden by the requests that wait behind it. ``memory`` is read while that load goes on for so many
requests. ``--peers`` adds LiteLLM and Portkey from their registries (see peers.py).
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import peers
import uvloop

HERE = Path(__file__).parent
CASES = [("whole", 1), ("whole", 16), ("whole", 64), ("stream", 16)]
EVENTS = 34
"""Events in one streamed answer of the mock engine, the closing [DONE] not counted."""
HALF_LOAD_CONNECTIONS = 16
READINGS = 5
"""How often the memory is read, the last time at the end."""
_ASKED = {
    "model": "bench",
    "messages": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "Say hello to the world in eight different ways please"},
    ],
    "max_tokens": 64,
}


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer or, with ``every_s``, when the next one is due."""

    def __init__(self, request: bytes, latencies_ms: list[float], until: float, due: float, every_s: float) -> None:
        self._request, self._latencies_ms, self._until = request, latencies_ms, until
        self._due, self._every_s = due, every_s
        self._loop = asyncio.get_running_loop()
        self.done = self._loop.create_future()
        self._buffer, self._need = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._wait()

    def _wait(self) -> None:
        left_s = self._due - time.perf_counter()
        if left_s > 0:
            self._loop.call_later(left_s, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        self._buffer, self._need = b"", 0
        self._asked = self._due if self._every_s else time.perf_counter()
        self._due += self._every_s
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._need and (end := self._buffer.find(b"\r\n\r\n") + 4) >= 4:
            head = self._buffer[:end].lower()
            assert head.startswith(b"http/1.1 200"), self._buffer[:300]
            at = head.find(b"content-length:") + 15
            self._need = end + int(head[at : head.find(b"\r\n", at)]) if at >= 15 else -1
        whole = self._buffer.endswith(b"0\r\n\r\n") if self._need < 0 else len(self._buffer) >= self._need > 0
        if whole:
            now = time.perf_counter()
            self._latencies_ms.append((now - self._asked) * 1000)
            if now < self._until:
                self._wait()
            else:
                self._transport.close()
                self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed early"))


async def load(
    target: Mapping[str, Any], stream: bool, connections: int, seconds: float, per_s: float = 0.0
) -> dict[str, float]:
    """Drive one gateway as fast as it goes or, with ``per_s``, with so many requests a second."""
    address = urlsplit(target["url"])
    asked = {**_ASKED, **target.get("members", {}), **({"stream": True} if stream else {})}
    body = json.dumps(asked, separators=(",", ":")).encode()
    lines = [f"{name}: {value}" for name, value in target.get("headers", {}).items()]
    lines += [f"host: {address.netloc}", f"authorization: Bearer {target['key']}", "content-type: application/json"]
    head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines, f"content-length: {len(body)}"])
    request = head.encode() + b"\r\n\r\n" + body
    latencies_ms: list[float] = []
    start = time.perf_counter()
    every_s = connections / per_s if per_s else 0.0
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(connections):
        due = start + every_s * (1 + number / connections) if per_s else 0.0
        client = partial(Client, request, latencies_ms, start + seconds, due, every_s)
        clients.append((await loop.create_connection(client, address.hostname, address.port))[1])
    await asyncio.gather(*(client.done for client in clients))
    took_s = time.perf_counter() - start
    latencies_ms.sort()
    return {
        "requests_per_s": round(len(latencies_ms) / took_s, 1),
        "p50_ms": round(latencies_ms[len(latencies_ms) // 2], 3),
        "p99_ms": round(latencies_ms[int(len(latencies_ms) * 0.99)], 3),
    }


@contextlib.contextmanager
def process(core: int, script: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a script of this folder on one core; gives where it answers, its key and its pid, once it is ready."""
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / script), *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        ready = running.stdout.readline().strip()
        found = json.loads(ready) if ready.startswith("{") else {"url": ready, "key": "none"}
        yield {**found, "pid": running.pid}
    finally:
        running.terminate()
        running.wait()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All cases; within each round, floor and ours and the peers take turns."""
    os.sched_setaffinity(0, {1})
    seconds = options.seconds
    readings: dict[str, list[dict[str, float]]] = {}
    with process(1, "mock_engine.py") as engine:
        systems: dict[str, Callable[[], AbstractContextManager[Mapping[str, Any]]]] = {
            "floor": lambda: process(0, "floor.py", engine["url"]),
            "argosy": lambda: process(0, "gateway_under_test.py", engine["url"]),
        }
        if options.peers:
            systems |= peers.systems(engine["url"])
        for _ in range(options.rounds):
            for name, start in systems.items():
                with start() as target:
                    for shape, connections in CASES:
                        with contextlib.suppress(*([] if name in ("floor", "argosy") else [AssertionError])):
                            reading = uvloop.run(load(target, shape == "stream", connections, seconds))
                            readings.setdefault(f"{name} {shape} {connections}", []).append(reading)
        found = summary(readings, list(systems))
        per_s = found["medians"][f"argosy whole {HALF_LOAD_CONNECTIONS}"]["requests_per_s"] / 2
        with systems["argosy"]() as target:
            halves = [_half_load(engine, target, seconds, per_s) for _ in range(options.rounds)]
            found["half_load"] = {name: statistics.median(each[name] for each in halves) for name in halves[0]}
            found["memory_mb"] = memory(target, options.requests, per_s)
            found["poster_mb"] = _resident_mb(target["poster"])
    return found


def _half_load(engine: Mapping[str, Any], target: Mapping[str, Any], seconds: float, per_s: float) -> dict[str, float]:
    """What the gateway adds to the engine's own time at one pace, the two taking turns."""
    bare = uvloop.run(load(engine, False, HALF_LOAD_CONNECTIONS, seconds, per_s))
    through = uvloop.run(load(target, False, HALF_LOAD_CONNECTIONS, seconds, per_s))
    return {
        "requests_per_s": through["requests_per_s"],
        "added_p50_ms": round(through["p50_ms"] - bare["p50_ms"], 3),
        "added_p99_ms": round(through["p99_ms"] - bare["p99_ms"], 3),
    }


def memory(target: Mapping[str, Any], requests: int, per_s: float) -> dict[int, float]:
    """Resident megabytes of the gateway after so many requests, at a pace that its meter keeps up with."""
    found = {0: _resident_mb(target["pid"])}
    for reading in range(1, READINGS + 1):
        uvloop.run(load(target, False, HALF_LOAD_CONNECTIONS, requests / READINGS / per_s, per_s))
        found[requests * reading // READINGS] = _resident_mb(target["pid"])
    return found


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


def summary(readings: dict[str, list[dict[str, float]]], systems: Sequence[str]) -> dict[str, Any]:
    """Medians over the rounds, our ratios to all others, and streamed events a second."""
    medians = {
        case: {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        for case, rounds in readings.items()
    }
    ratios: dict[str, dict[str, float]] = {name: {} for name in systems if name != "argosy"}
    for shape, connections in CASES:
        case = f"{shape} {connections}"
        for name, found in ratios.items():
            theirs = readings.get(f"{name} {case}", [])  # none where a peer answered with errors
            if pairs := [
                (a["requests_per_s"], b["requests_per_s"])
                for a, b in zip(readings[f"argosy {case}"], theirs, strict=False)
            ]:
                found[case] = round(statistics.median(ours / other for ours, other in pairs), 3)
    streamed = medians["argosy stream 16"]["requests_per_s"] * EVENTS
    others = {name: found for name, found in ratios.items() if name != "floor"}
    return {"ratio": ratios["floor"], "peers": others, "medians": medians, "events_per_s": round(streamed)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=1_000_000, help="after which the memory is read last")
    parser.add_argument("--peers", action="store_true", help="LiteLLM and Portkey too, installed under out/peers")
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(measure(_options()), indent=1))
