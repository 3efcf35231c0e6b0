"""What durable metering costs: requests/s of one API process with the journal on, and with one that drops everything.

usage: python bench/metering_cost.py [--seconds 4] [--rounds 5] [--connections 16]     (prints JSON)

Both are the gateway under test, on core 0, in turns, in one run; the load and the mock engine have core 1. Off, an
intent is acknowledged at once and an outcome is dropped: no file, no sync, no poster at work. That journal is here and
not in the product: nobody can switch metering off. Requests have a price, so each is a usage row and three ledger
entries, chained. ``cost_percent`` is the median over rounds of what on loses against off.
"""

import argparse
import json
import os
import statistics
import sys
from typing import Any

import gateway_overhead
import gateway_under_test
import uvloop

from argosy.billing import Terms

OFF = "ARGOSY_BENCH_METERING"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds."""
    os.sched_setaffinity(0, {1})
    readings: dict[str, list[float]] = {"on": [], "off": []}
    with gateway_overhead.process(1, "mock_engine.py") as engine:
        for turn in range(options.rounds):
            for name in ("on", "off") if turn % 2 else ("off", "on"):
                os.environ[OFF] = name
                with gateway_overhead.process(0, "metering_cost.py", "--serve", engine["url"]) as target:
                    found = uvloop.run(gateway_overhead.load(target, False, options.connections, options.seconds))
                    readings[name].append(found["requests_per_s"])
    kept = [on / off for on, off in zip(readings["on"], readings["off"], strict=True)]
    return {
        "connections": options.connections,
        "on_requests_per_s": statistics.median(readings["on"]),
        "off_requests_per_s": statistics.median(readings["off"]),
        "cost_percent": round(100 * (1 - statistics.median(kept)), 1),
        "rounds": [{"on": on, "off": off} for on, off in zip(readings["on"], readings["off"], strict=True)],
    }


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
    parser.add_argument("--connections", type=int, default=16)
    print(json.dumps(measure(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
