"""What limits and the queue cost a request, in microseconds of the API's loop: without any, and with some.

usage: python -m bench.limits_cost [DATABASE_URL]     (prints JSON; SQLite in a folder of its own by default)
Each figure is the median of five rounds of 20,000 requests, one after the other; processor time of the loop's thread,
but for the exchange with the database, which is the time that a request waits for it.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from argosy.gateway.admission import Admission
from argosy.gateway.limits import RateLimits, put_limit, remove_limit
from argosy.gateway.reading import parse
from argosy.gateway.requests import Kind
from argosy.identity import Caller, bootstrap
from argosy.runtime import Database, metadata

REQUESTS, ROUNDS = 20_000, 5
REQUEST = parse(Kind.CHAT, b'{"model":"tiny","messages":[{"role":"user","content":"Say hello"}],"max_tokens":64}')


async def measure(database: Database) -> dict[str, float]:
    """Microseconds a request."""
    with database.write() as tx:
        project_id = bootstrap(tx).project_id
    caller = Caller("key_1", project_id, "org", "argosy", frozenset({"inference"}))
    limits, admission = RateLimits(database), Admission()

    async def limited() -> None:
        hold = await limits.reserve(caller, REQUEST)
        limits.headers(caller, "tiny")
        if hold:
            hold.settle(80, True)

    async def queued(cap: int) -> None:
        async with admission.slot("t", cap, project_id):
            pass

    limits.refresh()
    found = {"no limits": await cost(limited)}
    for name, places in (("one limit", ["project"]), ("three limits", ["project", "key", "model"])):
        made = []
        with database.write() as tx:
            for scope in places:
                subject = {"project": "", "key": "key_1", "model": "tiny"}[scope]
                made.append(put_limit(tx, project_id, scope, subject, 10**9, 10**12))  # type: ignore[arg-type]
        limits.refresh()
        found[f"{name} of requests and tokens"] = await cost(limited)
        with database.write() as tx:
            for limit in made:
                remove_limit(tx, project_id, limit.id)
    with database.write() as tx:
        put_limit(tx, project_id, "project", "", 1, None)
    limits.refresh()
    await limited()
    found["refused"] = await cost(lambda: refused(limits, caller))
    found["a place without a cap"] = await cost(lambda: queued(0))
    found["a place with a cap"] = await cost(lambda: queued(16))
    await limits.stop()
    return found | {"an exchange with the database": await exchanges(database, caller)}


async def refused(limits: RateLimits, caller: Caller) -> None:
    try:
        await limits.reserve(caller, REQUEST)
    except Exception:
        return
    raise AssertionError("it was let through")


async def exchanges(database: Database, caller: Caller) -> float:
    """A request that finds no lease, so that it waits for a transaction."""
    took = []
    for _ in range(30):
        with database.write() as tx:
            put_limit(tx, caller.project_id, "project", "", 10**6, 10**9)
        limits = RateLimits(database)
        limits.refresh()
        start = time.perf_counter()
        await limits.reserve(caller, REQUEST)
        took.append((time.perf_counter() - start) * 1e6)
        await limits.stop()
    return round(statistics.median(took), 1)


async def cost(one) -> float:  # type: ignore[no-untyped-def]
    rounds = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(REQUESTS):
            await one()
        rounds.append((time.thread_time() - start) / REQUESTS * 1e6)
        await asyncio.sleep(0)
    return round(statistics.median(rounds), 2)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'argosy.sqlite'}")
        metadata.create_all(database.engine)
        print(json.dumps(uvloop.run(measure(database)), indent=1))
        database.close()


if __name__ == "__main__":
    main()
