"""What the gateway costs: requests/s and latency through it, beside a featureless gateway, alternating in one run.

usage: python bench/gateway_overhead.py [SECONDS_PER_MEASUREMENT] [ROUNDS]     (prints JSON)
The gateway under test has core 0, the load generator and the mock engine share core 1. ``ratio`` is ours to the floor's
requests/s, the median over rounds. Ours has keys, routing, prices and a journal with fsync; the floor has nothing.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

HERE = Path(__file__).parent
CASES = [("whole", 1), ("whole", 16), ("whole", 64), ("stream", 16)]
_ASKED = {
    "model": "bench",
    "messages": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "Say hello to the world in eight different ways please"},
    ],
    "max_tokens": 64,
}


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, request: bytes, latencies_ms: list[float], until: float) -> None:
        self._request, self._latencies_ms, self._until = request, latencies_ms, until
        self.done = asyncio.get_running_loop().create_future()
        self._buffer, self._need = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._buffer, self._need, self._asked = b"", 0, time.perf_counter()
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
                self._ask()
            else:
                self._transport.close()
                self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed early"))


async def load(url: str, key: str, stream: bool, connections: int, seconds: float) -> dict[str, float]:
    """Drive one gateway as fast as it goes."""
    address = urlsplit(url)
    body = json.dumps({**_ASKED, **({"stream": True} if stream else {})}, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {key}\r\n"
    request = head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    latencies_ms: list[float] = []
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients = [
        (
            await loop.create_connection(
                lambda: Client(request, latencies_ms, start + seconds), address.hostname, address.port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    took_s = time.perf_counter() - start
    latencies_ms.sort()
    return {
        "requests_per_s": round(len(latencies_ms) / took_s, 1),
        "p50_ms": round(latencies_ms[len(latencies_ms) // 2], 3),
        "p99_ms": round(latencies_ms[int(len(latencies_ms) * 0.99)], 3),
    }


@contextlib.contextmanager
def process(core: int, script: str, *arguments: str) -> Iterator[str]:
    """Run a script of this folder on one core; gives the line it prints when it is ready."""
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / script), *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
    finally:
        running.terminate()
        running.wait()


def measure(seconds: float, rounds: int) -> dict[str, object]:
    """All cases; within each round, floor and ours take turns."""
    os.sched_setaffinity(0, {1})
    readings: dict[str, list[dict[str, float]]] = {}
    with process(1, "mock_engine.py") as engine:
        for _ in range(rounds):
            for name, script in (("floor", "floor.py"), ("argosy", "gateway_under_test.py")):
                with process(0, script, engine) as ready:
                    target = json.loads(ready) if ready.startswith("{") else {"url": ready, "key": "none"}
                    for shape, connections in CASES:
                        reading = uvloop.run(
                            load(target["url"], target["key"], shape == "stream", connections, seconds)
                        )
                        readings.setdefault(f"{name} {shape} {connections}", []).append(reading)
    return summary(readings)


def summary(readings: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """Medians over the rounds, and the ratios."""
    medians = {
        case: {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        for case, rounds in readings.items()
    }
    ratios = {}
    for shape, connections in CASES:
        ours, floor = readings[f"argosy {shape} {connections}"], readings[f"floor {shape} {connections}"]
        each = [a["requests_per_s"] / b["requests_per_s"] for a, b in zip(ours, floor, strict=True)]
        ratios[f"{shape} {connections}"] = round(statistics.median(each), 3)
    return {"ratio": ratios, "medians": medians}


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(json.dumps(measure(seconds, rounds), indent=1))
