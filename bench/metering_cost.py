"""What durable metering costs: requests/s of one API process with the journal on, and with one that drops everything.

usage: python bench/metering_cost.py [--seconds 4] [--rounds 5]     (prints JSON)

Both are the gateway under test, on core 0, in turns, in one run; the load and the mock engine have core 1, and the
process that posts may run on either, as the system sees fit. Off, an intent is acknowledged at once and an outcome is
dropped: no file, no sync, no poster at work. That journal is here and not in the product: nobody can switch metering
off. Requests have a price, so each is a usage row and three ledger entries, chained. ``cost_percent`` is the median
over rounds of what on loses against off; ``cpu_us`` is what a request takes of the processor, which other work on the
machine disturbs less.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping
from typing import Any

import gateway_overhead
import gateway_under_test
import psutil
import uvloop

from argosy.billing import Terms

OFF = "ARGOSY_BENCH_METERING"
CASES = [("whole", 16), ("whole", 64), ("stream", 16)]
Reading = dict[str, float]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {1})
    readings: dict[tuple[str, str], list[Reading]] = {}
    with gateway_overhead.process(1, "mock_engine.py") as engine:
        for turn in range(options.rounds):
            for name in ("on", "off") if turn % 2 else ("off", "on"):
                os.environ[OFF] = name
                with gateway_overhead.process(0, "metering_cost.py", "--serve", engine["url"]) as target:
                    os.sched_setaffinity(target["poster"], cores)
                    for shape, connections in CASES:
                        found = _reading(target, shape, connections, options.seconds)
                        readings.setdefault((f"{shape} {connections}", name), []).append(found)
    cases = [f"{shape} {connections}" for shape, connections in CASES]
    return {
        "rounds": options.rounds,
        "cases": {case: _case(readings[case, "on"], readings[case, "off"]) for case in cases},
    }


def _reading(target: Mapping[str, Any], shape: str, connections: int, seconds: float) -> Reading:
    """Requests a second, and microseconds of the processor that each took of the gateway and of the poster."""
    before = _cpu_s(target["pid"]), _cpu_s(target["poster"])
    found = uvloop.run(gateway_overhead.load(target, shape == "stream", connections, seconds))
    after = _cpu_s(target["pid"]), _cpu_s(target["poster"])
    count = found["requests_per_s"] * seconds
    gateway, poster = ((end - begin) / count * 1e6 for begin, end in zip(before, after, strict=True))
    return {"requests_per_s": found["requests_per_s"], "gateway_cpu_us": gateway, "poster_cpu_us": poster}


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _case(on: list[Reading], off: list[Reading]) -> dict[str, Any]:
    kept = [with_it["requests_per_s"] / without["requests_per_s"] for with_it, without in zip(on, off, strict=True)]
    return {
        "cost_percent": round(100 * (1 - statistics.median(kept)), 1),
        "on": _medians(on),
        "off": _medians(off),
        "on_requests_per_s": [reading["requests_per_s"] for reading in on],
        "off_requests_per_s": [reading["requests_per_s"] for reading in off],
    }


def _medians(readings: list[Reading]) -> Reading:
    return {name: round(statistics.median(each[name] for each in readings), 1) for name in readings[0]}


def serve(engine_url: str) -> None:
    """The gateway under test, with or without its journal."""
    if os.environ[OFF] == "off":
        from dropping_journal import DroppingJournal

        gateway_under_test.Journal = DroppingJournal  # type: ignore[assignment,misc]
    gateway_under_test.main(engine_url, Terms("USD", 150_000, 75_000, 600_000))


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(measure(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
