"""How fast the journal makes intents durable, and what one request costs the event loop.

``python bench/journal_speed.py [FOLDER ON THE DISK TO MEASURE]``

Prints one JSON line per number of concurrent requests: intents per second, p50 and p99 of one intent in microseconds.
The disk decides much of it: the bare time of a write and an fdatasync on the same folder is printed beside it.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import uvloop

from argosy import billing
from argosy.billing import Intent, Journal, Shipper, UsageEvent, post_events
from argosy.runtime import Database, metadata

REQUESTS = 20_000


def main(folder: Path) -> None:
    print(json.dumps({"bare_sync_us_p50": bare_sync_us(folder)}))
    for concurrent in (1, 16, 64):
        print(json.dumps(uvloop.run(measure(folder / f"journal-{concurrent}", concurrent))))
    print(json.dumps(loop_cost(folder / "loop")))
    print(json.dumps(posting(folder)))


async def measure(folder: Path, concurrent: int) -> dict[str, float]:
    journal, times = Journal(folder, unshipped_max=REQUESTS * 2), []

    async def client(number: int) -> None:
        for turn in range(REQUESTS // concurrent):
            id_ = f"req_{number:04d}_{turn:08d}"
            start = time.perf_counter()
            await journal.intent(intent(id_))
            times.append(time.perf_counter() - start)
            journal.outcome(event(id_))

    start = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(concurrent)))
    seconds = time.perf_counter() - start
    journal.shipped(journal.unshipped)
    journal.close()
    times.sort()
    return {
        "concurrent": concurrent,
        "intents_per_s": round(len(times) / seconds),
        "intent_us_p50": round(times[len(times) // 2] * 1e6),
        "intent_us_p99": round(times[len(times) * 99 // 100] * 1e6),
    }


def loop_cost(folder: Path) -> dict[str, float]:
    """Time that the calls themselves take from the event loop, per request, without the wait."""

    async def run() -> dict[str, float]:
        journal, spent = Journal(folder, unshipped_max=REQUESTS * 2), [0.0, 0.0, 0.0]
        for turn in range(REQUESTS):
            ready, ended = intent(f"req_{turn:08d}"), event(f"req_{turn:08d}")
            marks = [time.perf_counter()]
            future = journal.intent(ready)
            marks.append(time.perf_counter())
            journal.progress(ready.id, 5)
            marks.append(time.perf_counter())
            journal.outcome(ended)
            marks.append(time.perf_counter())
            spent = [total + end - begin for total, begin, end in zip(spent, marks, marks[1:], strict=False)]
            if turn % 64 == 63:
                await future
        journal.shipped(journal.unshipped)
        journal.close()
        names = ("intent_call_us", "progress_call_us", "outcome_call_us")
        return {name: round(total / REQUESTS * 1e6, 2) for name, total in zip(names, spent, strict=True)}

    return uvloop.run(run())


def posting(folder: Path) -> dict[str, float]:
    """Usage events that the shipper gets into SQLite per second, and the CPU time of one."""
    database = Database(f"sqlite:///{folder / 'argosy.sqlite'}")
    metadata.create_all(database.engine)
    with database.write() as tx:
        price = billing.ensure_price(
            tx, "ship", SimpleNamespace(currency="USD", input=1, cached_input=1, output=1, training=1)
        )
    journal = Journal(folder / "posting")
    for turn in range(REQUESTS):
        journal.outcome(event(f"req_{turn:08d}", price))
    shipper = Shipper(journal, partial(post_events, database, rejected=folder / "rejected"))
    start, cpu = time.perf_counter(), time.process_time()
    shipper.start()
    shipper.flush(600)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    shipper.stop()
    journal.close()
    return {"posted_per_s": round(REQUESTS / seconds), "posting_cpu_us": round(cpu / REQUESTS * 1e6, 1)}


def bare_sync_us(folder: Path) -> float:
    descriptor, times = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND), []
    for _ in range(2_000):
        start = time.perf_counter()
        os.write(descriptor, bytes(200))
        os.fdatasync(descriptor)
        times.append(time.perf_counter() - start)
    os.close(descriptor)
    return round(sorted(times)[1_000] * 1e6, 1)


def intent(id_: str) -> Intent:
    return Intent(
        id=id_,
        project_id="proj_01k9x0000000000000000000",
        key_id="key_01k9x0000000000000000000",
        kind="chat.completion",
        model="smollm2-135m-instruct",
        base_model="smollm2-135m-instruct",
        price_version="price_01k9x0000000000000000000",
        prompt_estimate=120,
        started_us=1_800_000_000_000_000,
    )


def event(id_: str, price: str = "price_01k9x0000000000000000000") -> UsageEvent:
    return UsageEvent(
        id=id_,
        project_id="proj_01k9x0000000000000000000",
        key_id="key_01k9x0000000000000000000",
        kind="chat.completion",
        model="smollm2-135m-instruct",
        base_model="smollm2-135m-instruct",
        price_version=price,
        started_us=1_800_000_000_000_000,
        finished_us=1_800_000_000_500_000,
        prompt_tokens=1_000_000,
        cached_tokens=500_000,
        completion_tokens=1_000_000,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        main(Path(made))
