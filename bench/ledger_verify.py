"""How long it takes to go through a ledger's whole chain, and to add all accounts up; and the memory that takes.

    python -m bench.ledger_verify                           a million entries in a new SQLite database
    python -m bench.ledger_verify --database-url postgresql://...   in an empty PostgreSQL database

Entries are posted as the poster does, in blocks of 125 requests. Prints one line of JSON.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from argosy.app import register_tables
from argosy.billing import ledger
from argosy.billing.ledger import Entry
from argosy.runtime import Database, metadata

REQUESTS_PER_BLOCK = 125
BLOCKS_PER_TRANSACTION = 40


def fill(database: Database, entries: int) -> float:
    """Post so many entries; returns how long it took, in seconds."""
    register_tables()
    metadata.create_all(database.engine)
    started, made = time.perf_counter(), 0
    while made < entries:
        with database.write() as tx:
            for _ in range(BLOCKS_PER_TRANSACTION):
                ledger.post(tx, block(made))
                made += 4 * REQUESTS_PER_BLOCK
    return time.perf_counter() - started


def block(number: int) -> list[Entry]:
    """Requests of one model whose owner has a share: four entries each."""
    found = []
    for n in range(REQUESTS_PER_BLOCK):
        id_, project = f"req_{number + n:022d}", "proj_01k9x00000000000000000"
        found += [
            Entry(id_, "receivable", project, 9, "USD", "ship"),
            Entry(id_, "revenue", project, -9, "USD", "ship", "input"),
            Entry(id_, "share_cost", project, 2, "USD", "ship", "share_1", None, "lab"),
            Entry(id_, "owner_payable", project, -2, "USD", "ship", "share_1", None, "lab"),
        ]
    return found


def measure(url: str) -> dict[str, float]:
    """In this process alone, which did nothing else: seconds, and the memory that it grew by."""
    database = Database(url)
    with database.read() as tx:
        ledger.read_head(tx)
    before, started = peak_mb(), time.perf_counter()
    with database.read() as tx:
        found = ledger.verify(tx)
    verified, grown = time.perf_counter(), peak_mb() - before
    assert found.problems == []
    with database.read() as tx:
        ledger.trial_balance(tx)
    added = time.perf_counter()
    times = {"verify_s": round(verified - started, 2), "trial_balance_s": round(added - verified, 2)}
    return {"entries": found.entries, "blocks": found.blocks, **times, "verify_grew_mb": round(grown, 1)}


def peak_mb() -> float:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fill, then measure in a process of its own."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--entries", type=int, default=1_000_000)
    asked.add_argument("--database-url")
    asked.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.database_url or f"sqlite:///{Path(folder) / 'argosy.sqlite'}"
        posted = fill(Database(url), chosen.entries)
        again = [sys.executable, "-m", "bench.ledger_verify", "--measure", url]
        found = json.loads(subprocess.run(again, check=True, capture_output=True, text=True).stdout)
        print(json.dumps(found | {"posted_s": round(posted, 1)}))


if __name__ == "__main__":
    main()
