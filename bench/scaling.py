"""What a second API process on the same port brings, on a machine that has no core to spare for it.

usage: python bench/scaling.py [--seconds 4] [--rounds 3] [--processes 1 2]     (prints JSON)
`argosy up` with ARGOSY_API_PROCESSES, in front of the mock engine as a provider. The first API process has core 0, the
second core 1, which it shares with the load generator, the mock engine, the worker and the supervisor. So requests/s
say little of what two processes could do on cores of their own; the CPU time that the API processes take for a request
says it: if it stays the same, n cores serve n times as many. Their shares of connections and requests are told too.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import uvloop
from gateway_overhead import load, process
from openai import APIError, OpenAI

CONNECTIONS = 64
PATIENCE_S = 60.0
_PRICES = {"currency": "USD", "input": 0, "output": 0}


@contextlib.contextmanager
def platform(processes: int, engine_url: str) -> Iterator[dict[str, Any]]:
    """A platform with so many API processes that offers the mock engine as "bench": its URL, key and processes."""
    key = "sk-argosy-" + secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {name: value for name, value in os.environ.items() if name != "ARGOSY_DATABASE_URL"}
        environment |= {"ARGOSY_ADMIN_KEY": key, "ARGOSY_API_PROCESSES": str(processes)}
        command = [sys.executable, "-m", "argosy", "up", "--home", str(home), "--port", "0", "--no-console"]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = _until(lambda: json.loads((home / "up.json").read_text())["url"], OSError, ValueError)
            client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
            body: dict[str, Any] = {"name": "mock", "key": "sk-mock-0123", "base_url": f"{engine_url}/v1"}
            _until(lambda: client.post("/providers", body={**body, "private": True}, cast_to=object), APIError)
            body = {"model": "bench", "provider": "mock", "provider_model": "bench", "prices": _PRICES}
            client.post("/deployments", body=body, cast_to=object)
            asked: Any = {"model": "bench", "messages": [{"role": "user", "content": "Hello"}]}
            _until(lambda: client.chat.completions.create(**asked), APIError)
            time.sleep(1)  # each process looks for a new model four times a second
            doors = [one for one in psutil.Process(running.pid).children() if "api" in one.cmdline()]
            doors.sort(key=lambda door: door.pid)  # as they were started
            yield {"url": url, "key": key, "doors": doors, "root": psutil.Process(running.pid), "home": home}
        finally:
            running.terminate()
            running.wait()


def _until(look: Any, *failures: type[Exception]) -> Any:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return look()
        except failures:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def pin(found: dict[str, Any]) -> None:
    """The first API process to core 0, everything else to core 1."""
    root = found["root"]
    for one in [root, *root.children(recursive=True)]:
        core = 0 if one == found["doors"][0] else 1
        for thread in one.threads():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, {core})


def cpu_s(door: psutil.Process) -> float:
    """CPU time that the process took so far, its own and the kernel's for it."""
    times = door.cpu_times()
    return times.user + times.system


def answered(found: dict[str, Any]) -> list[int]:
    """Requests so far by the log of each API process, in the order of the processes."""
    names = ["api", *(f"api-{number}" for number in range(2, len(found["doors"]) + 1))]
    logs = [found["home"] / "logs" / f"{name}.log" for name in names]
    return [log.read_bytes().count(b'"event":"request"') for log in logs]


async def one_round(found: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One load, and what it took."""
    before, count_before = [cpu_s(door) for door in found["doors"]], answered(found)
    loading = asyncio.ensure_future(load(found, False, CONNECTIONS, seconds))
    await asyncio.sleep(seconds / 2)
    port = int(found["url"].rsplit(":", 1)[1])
    connections = [
        sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in door.net_connections("tcp"))
        for door in found["doors"]
    ]
    told = await loading
    await asyncio.sleep(0.5)  # the logs and the journals are written out
    took = [cpu_s(door) - so_far for door, so_far in zip(found["doors"], before, strict=True)]
    counts = [now - then for now, then in zip(answered(found), count_before, strict=True)]
    return {
        **told,
        "cpu_us_per_request": round(sum(took) / sum(counts) * 1e6, 1),
        "cpu_s": [round(each, 2) for each in took],
        "requests": counts,
        "connections": connections,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All numbers of processes, each on a platform of its own."""
    os.sched_setaffinity(0, {1})
    result: dict[str, Any] = {"connections": CONNECTIONS, "cores": os.cpu_count()}
    with process(1, "mock_engine.py") as engine:
        for count in options.processes:
            with platform(count, engine["url"]) as found:
                pin(found)
                uvloop.run(load(found, False, CONNECTIONS, 1.0))
                rounds = [uvloop.run(one_round(found, options.seconds)) for _ in range(options.rounds)]
            numbers = {name: statistics.median(each[name] for each in rounds) for name in _NUMBERS}
            result[str(count)] = {**numbers, "rounds": rounds}
    return result


_NUMBERS = ("requests_per_s", "p50_ms", "p99_ms", "cpu_us_per_request")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    print(json.dumps(measure(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
