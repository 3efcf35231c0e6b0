"""How long a period of many usage rows takes to close into an invoice, and the memory of the process that closes it.

    python -m bench.invoice_close                          5,000,000 rows in a new SQLite database
    python -m bench.invoice_close --postgres               in a PostgreSQL server of its own, which it starts
    python -m bench.invoice_close --rows 100000

Rows are written by SQL in the shape that the poster gives them: forty models in five projects, at two prices, a tenth
in batches at half price, a tenth paid by credits with their ledger entries, a tenth of another organization, and a few
that came late for a period which is closed already. Prints one line of JSON; ``cpu_s`` is what the closing process
itself worked, without a server of PostgreSQL.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from sqlalchemy import text
from tests.postgres import PostgresServer

from argosy import billing, identity
from argosy.app import register_tables
from argosy.billing import invoices, ledger
from argosy.runtime import Database, Transaction, metadata

ROWS = 5_000_000
MONTH = 1_780_272_000
"""2026-06-01, in unix seconds."""
MONTH_S = 30 * 86_400
PER_POSTING = 125
EARLIER = 1_000
"""Rows of the period before."""
PART = 500_000
"""Rows that are written at once."""
AMOUNT = "input_amount + cached_input_amount + output_amount"
CARD = {"currency": "USD", "input": 150_000, "cached_input": 75_000, "output": 600_000, "training": 3_000_000}


def fill(database: Database, rows: int) -> str:
    """Write them, after a first period that is closed already; returns a project of the organization."""
    register_tables()
    metadata.create_all(database.engine)
    with database.write() as tx:
        ours = identity.bootstrap(tx).project_id
        projects = [ours, *(identity.create_project(tx, ours, f"team {n}").id for n in range(4))]
        cards = (SimpleNamespace(**{**CARD, "input": rate}) for rate in (150_000, 250_000))
        prices = [billing.ensure_price(tx, "ship", card) for card in cards]
        write(tx, columns_of(tx, projects, prices, MONTH - MONTH_S), 0, EARLIER)
    invoices.close(database, ours, 0, MONTH)
    for start in range(EARLIER, EARLIER + rows, PART):
        with database.write() as tx:
            columns = columns_of(tx, projects, prices, MONTH)
            write(tx, columns, start, min(PART, EARLIER + rows - start))
    with database.write() as tx:
        tx.execute(text("ANALYZE"))
    return ours


def columns_of(tx: Transaction, projects: list[str], prices: list[str], begin: int) -> dict[str, str]:
    """A usage row by its number ``n``, as SQL. Rows are spread evenly over the month that begins then."""
    number = "lpad(n::text, 22, '0')" if tx.dialect.name == "postgresql" else "printf('%022d', n)"
    ours = " ".join(f"WHEN {n} THEN '{project}'" for n, project in enumerate(projects))
    finished = f"({begin * 1_000_000} + (n % {ROWS}) * {MONTH_S * 1_000_000 // ROWS})"
    return {
        "id": f"'req_' || {number}",
        "project_id": f"CASE WHEN n % 10 = 9 THEN 'proj_theirs' ELSE (CASE n % 5 {ours} END) END",
        "kind": "'chat.completion'",
        "model": "'model-' || (n % 40)",
        "base_model": "'model-' || (n % 40)",
        "price_version": f"CASE n % 2 WHEN 0 THEN '{prices[0]}' ELSE '{prices[1]}' END",
        "started_us": finished,
        "finished_us": f"CASE WHEN n % 100000 = 777 THEN {(MONTH - 60) * 1_000_000} ELSE {finished} END",
        "prompt_tokens": "500 + n % 1000",
        "cached_tokens": "n % 100",
        "completion_tokens": "n % 300",
        "training_tokens": "0",
        "estimated": "false",
        "outcome": "'complete'",
        "input_amount": "75 + n % 150",
        "cached_input_amount": "n % 8",
        "output_amount": "n % 180",
        "training_amount": "0",
        "discount": "CASE WHEN n % 10 = 3 THEN 50 ELSE 0 END",
        "fund": "CASE WHEN n % 10 = 4 THEN 'fund_1' ELSE '' END",
        "posted": f"1 + n / {PER_POSTING}",
    }


def write(tx: Transaction, columns: dict[str, str], start: int, count: int) -> None:
    """So many rows from this number on, and the entries of those that credits paid."""
    last = start + count - 1
    numbers = f"SELECT n FROM generate_series({start}::bigint, {last}) AS s(n)"
    if tx.dialect.name != "postgresql":
        counting = f"SELECT {start} UNION ALL SELECT n + 1 FROM s WHERE n < {last}"
        numbers = f"WITH RECURSIVE s(n) AS ({counting}) SELECT n FROM s"
    listed, values = ", ".join(columns), ", ".join(columns.values())
    tx.execute(text(f"INSERT INTO usage_events ({listed}) SELECT {values} FROM ({numbers}) AS numbered"))
    for account, sign in (("credits", 1), ("revenue", -1)):
        entry = f"{sign} * ({AMOUNT}), 'USD', model, '', id, 1"
        tx.execute(
            text(
                "INSERT INTO ledger_entries (id, transaction_id, account, project_id, amount, currency, model, "
                "quantity, usage_id, created_at) SELECT (SELECT COALESCE(MAX(id), 0) FROM ledger_entries) "
                f"+ ROW_NUMBER() OVER (ORDER BY id), id, '{account}', project_id, {entry} FROM usage_events "
                f"WHERE fund <> '' AND id >= 'req_{start:022d}'"
            )
        )
    ledger.lock(tx)
    tx.execute(text("UPDATE ledger_head SET last_entry = (SELECT MAX(id) FROM ledger_entries)"))
    tx.execute(text("DELETE FROM postings"))
    tx.execute(text(f"INSERT INTO postings (id, last) VALUES (1, {1 + last // PER_POSTING})"))


def measure(url: str, project: str) -> dict[str, float]:
    """In this process alone, which did nothing else."""
    database = Database(url)
    started, worked = time.perf_counter(), time.process_time()
    made = invoices.close(database, project)
    took, cpu = time.perf_counter() - started, time.process_time() - worked
    with database.read() as tx:
        wanted = text(
            f"SELECT COUNT(*), SUM({AMOUNT}), SUM(CASE WHEN fund = '' THEN 0 ELSE {AMOUNT} END) FROM usage_events "
            f"WHERE id >= 'req_{EARLIER:022d}' AND project_id <> 'proj_theirs'"
        )
        assert (made.event_count, made.total, made.covered_credits) == tuple(map(int, tx.execute(wanted).one()))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = {"close_s": round(took, 1), "cpu_s": round(cpu, 1)}
    return times | {"peak_mb": round(peak_mb), "events": made.event_count, "lines": len(made.lines)}


@contextmanager
def empty(postgres: bool) -> Iterator[str]:
    """The URL of a new database."""
    with tempfile.TemporaryDirectory(prefix="argosy-bench-", ignore_cleanup_errors=True) as folder:
        if not postgres:
            yield f"sqlite:///{Path(folder) / 'argosy.sqlite'}"
            return
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


def main() -> None:
    """Fill, then close in a process of its own."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=ROWS)
    asked.add_argument("--postgres", action="store_true")
    asked.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.measure:
        print(json.dumps(measure(*chosen.measure)))
        return
    with empty(chosen.postgres) as url:
        started, database = time.perf_counter(), Database(url)
        project = fill(database, chosen.rows)
        database.close()
        filled = round(time.perf_counter() - started)
        again = [sys.executable, "-m", "bench.invoice_close", "--measure", url, project]
        found = json.loads(subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True).stdout)
        about = {"database": "PostgreSQL" if chosen.postgres else "SQLite", "rows": chosen.rows, "filled_s": filled}
        print(json.dumps(about | found))


if __name__ == "__main__":
    main()
