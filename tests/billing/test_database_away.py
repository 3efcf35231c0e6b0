"""The database goes away: work goes on to the journal's bound, then it is refused; memory stays; back, all drains."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.fresh import fresh_database
from tests.postgres import PostgresServer, programs

from argosy import billing
from argosy.billing import RECEIVABLE, Journal, Poster, Shipper, post_events
from argosy.billing.ledger import verify
from argosy.core import Unavailable
from argosy.runtime import Database, metadata

from .conftest import Card, Meter

BOUND = 300
GROWN_MB_MAX = 8
Away = tuple[Database, "partial[object]", "partial[object]"]
"""A database, and what takes it away and brings it back."""


@contextmanager
def locked_file(home: Path) -> Iterator[Away]:
    """SQLite, whose file somebody else holds."""
    database = fresh_database(home / "argosy.sqlite")
    other = sqlite3.connect(home / "argosy.sqlite", isolation_level=None, check_same_thread=False)
    yield database, partial(other.execute, "BEGIN IMMEDIATE"), partial(other.execute, "ROLLBACK")
    other.close()
    database.close()


@contextmanager
def stopped_server(_: Path) -> Iterator[Away]:
    """PostgreSQL, which is shut down and started again."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed here: 'apt-get install postgresql' lets this test run")
    with tempfile.TemporaryDirectory(prefix="argosy-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        server.start()
        database = Database(server.url())
        metadata.create_all(database.engine)
        try:
            yield database, partial(server.stop), partial(server.start)
        finally:
            database.close()
            server.stop()


async def use_until_refused(journal: Journal, meter: Meter, name: str, most: int) -> int:
    """How many requests were taken."""
    for n in range(most):
        try:
            await journal.intent(meter.intent(f"req_{name}_{n}"))
        except Unavailable as error:
            return n if error.code == "journal_full" else -1
        journal.outcome(meter.event(f"req_{name}_{n}", prompt_tokens=1_000))
    return most


@pytest.mark.parametrize("place", [locked_file, stopped_server])
async def test_work_goes_on_to_the_bound_and_everything_drains(place, home: Path, journals: Path, card: Card) -> None:  # type: ignore[no-untyped-def]
    with place(home) as (database, take_away, bring_back):
        with database.write() as tx:
            meter = Meter(billing.ensure_price(tx, "ship", card))
        journal = Journal(journals, unshipped_max=BOUND)
        poster = Poster(database.url, journals / "rejected", home / "poster.log")
        shipper = Shipper(journal, poster.post, partial(post_events, database, rejected=journals / "rejected"))
        shipper.start()
        assert await use_until_refused(journal, meter, "before", 20) == 20
        assert await asyncio.to_thread(shipper.flush, 30)

        take_away()
        taken = await use_until_refused(journal, meter, "away", 10 * BOUND)
        assert taken == BOUND, "accepted to the bound, and not one more"
        size, on_disk = psutil.Process().memory_info().rss, sum(one.stat().st_size for one in journal.folder.iterdir())
        for _ in range(5_000):
            assert await use_until_refused(journal, meter, "refused", 1) == 0
        assert psutil.Process().memory_info().rss - size < GROWN_MB_MAX << 20
        assert sum(one.stat().st_size for one in journal.folder.iterdir()) == on_disk
        assert journal.unshipped == journal.open_requests == BOUND

        bring_back()
        assert await asyncio.to_thread(shipper.flush, 60)
        assert await use_until_refused(journal, meter, "after", 20) == 20
        assert await asyncio.to_thread(shipper.stop, 30)
        with database.read() as tx:
            assert billing.balance(tx, "proj_a", RECEIVABLE) == (20 + BOUND + 20) * 150
            assert verify(tx).problems == []
        poster.stop()
        journal.close()
        assert list(journals.glob("jrn_*")) == []
