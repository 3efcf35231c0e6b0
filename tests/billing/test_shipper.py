"""From the journal to the database, whatever state the database is in."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy.exc import OperationalError

from argosy import billing
from argosy.billing import RECEIVABLE, Journal, Poster, Shipper, UsageEvent, post_events, recover
from argosy.core import Unavailable
from argosy.runtime import Database, Transaction

from .conftest import Meter


class Unsteady(Database):
    """A database that can be out of reach."""

    down = False

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if self.down:
            raise OperationalError("BEGIN", {}, OSError("connection refused"))
        with super().write() as tx:
            yield tx


def posting(database: Database, journals: Path) -> Callable[[Sequence[UsageEvent]], int]:
    return partial(post_events, database, rejected=journals / "rejected")


async def use(journal: Journal, meter: Meter, count: int, name: str = "req") -> None:
    for n in range(count):
        await journal.intent(meter.intent(f"{name}_{n}"))
        journal.outcome(meter.event(f"{name}_{n}", prompt_tokens=1_000))


async def test_a_client_finds_its_own_usage_at_once(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    shipper = Shipper(journal, posting(database, journals))
    shipper.start()
    for n in range(10):
        await use(journal, meter, 1, f"req_{n}")
        assert await asyncio.to_thread(shipper.flush)
        with database.read() as tx:
            assert billing.balance(tx, "proj_a", RECEIVABLE) == (n + 1) * 150
    assert shipper.stop()
    journal.close()
    assert list(journals.glob("jrn_*")) == []


async def test_usage_is_posted_without_being_asked_for(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    shipper = Shipper(journal, posting(database, journals))
    shipper.start()
    await use(journal, meter, 5)
    start = monotonic()
    while journal.unshipped:
        await asyncio.sleep(0.005)
        assert monotonic() - start < 20
    shipper.stop()
    journal.close()


async def test_an_outage_delays_usage_and_loses_none(database: Database, meter: Meter, journals: Path) -> None:
    unsteady = Unsteady(database.url)
    journal = Journal(journals)
    shipper = Shipper(journal, posting(unsteady, journals))
    unsteady.down = True
    shipper.start()
    await use(journal, meter, 20)
    assert not await asyncio.to_thread(shipper.flush, 0.2)
    assert journal.unshipped == 20
    unsteady.down = False
    assert await asyncio.to_thread(shipper.flush, 5)
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 20 * 150
    shipper.stop()
    journal.close()
    unsteady.close()


async def test_what_an_outage_kept_back_until_the_end_is_recovered(
    database: Database, meter: Meter, journals: Path
) -> None:
    unsteady = Unsteady(database.url)
    unsteady.down = True
    journal = Journal(journals)
    shipper = Shipper(journal, posting(unsteady, journals))
    shipper.start()
    await use(journal, meter, 20)
    assert not await asyncio.to_thread(shipper.stop, 0.2)
    journal.close()
    assert recover(journals, database).posted == 20
    unsteady.close()


async def test_a_bad_event_does_not_stop_the_others(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    shipper = Shipper(journal, posting(database, journals))
    journal.outcome(Meter("price_gone").event("req_lost", prompt_tokens=1))
    await use(journal, meter, 3)
    shipper.start()
    assert await asyncio.to_thread(shipper.flush, 5)
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 3 * 150
    assert (journals / "rejected" / "req_lost.frame").exists()
    shipper.stop()
    journal.close()


async def test_another_process_posts_and_is_started_again_when_it_is_killed(
    database: Database, meter: Meter, journals: Path, tmp_path: Path
) -> None:
    journal = Journal(journals)
    poster = Poster(database.url, journals / "rejected", tmp_path / "poster.log")
    shipper = Shipper(journal, poster.post)
    shipper.start()
    killed = set()
    for n in range(3):
        await use(journal, meter, 5, f"req_{n}")
        assert await asyncio.to_thread(shipper.flush, 30)
        killed.add(poster.pid)
        os.kill(poster.pid, signal.SIGKILL)
    assert len(killed) == 3
    await use(journal, meter, 1, "req_last")
    assert await asyncio.to_thread(shipper.stop, 30)
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 16 * 150
    poster.stop()
    journal.close()


async def test_who_is_far_behind_posts_here(
    database: Database, meter: Meter, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argosy.billing.shipper.BEHIND", 10)
    monkeypatch.setattr("argosy.billing.shipper.BATCH", 4)
    journal, elsewhere = Journal(journals), []
    here = posting(database, journals)
    shipper = Shipper(journal, lambda events: elsewhere.append(len(events)) or here(events), here)
    await use(journal, meter, 22)
    shipper.start()
    assert await asyncio.to_thread(shipper.stop, 30)
    assert elsewhere == [4, 4, 2], "twelve were posted here, until no more than ten waited"
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 22 * 150
    journal.close()


async def test_a_process_that_hangs_is_given_up(
    database: Database, meter: Meter, journals: Path, tmp_path: Path
) -> None:
    journal = Journal(journals)
    poster = Poster(database.url, journals / "rejected", tmp_path / "poster.log", answer_s=30)
    await use(journal, meter, 2)
    poster._socket.settimeout(0.2)
    os.kill(poster.pid, signal.SIGSTOP)
    with pytest.raises(Unavailable, match="timed out"):
        await asyncio.to_thread(poster.post, journal.take(10))
    assert await asyncio.to_thread(poster.post, journal.take(10)) == 2
    poster.stop()
    journal.close()


async def test_what_the_other_process_cannot_post_stays(meter: Meter, journals: Path, tmp_path: Path) -> None:
    journal = Journal(journals)
    poster = Poster(f"sqlite:///{tmp_path / 'no tables'}", journals / "rejected", tmp_path / "poster.log")
    await use(journal, meter, 2)
    with pytest.raises(Unavailable, match="no such table"):
        await asyncio.to_thread(poster.post, journal.take(10))
    poster.stop()
    with pytest.raises(Unavailable, match="went away"):
        await asyncio.to_thread(poster.post, journal.take(10))
    assert journal.unshipped == 2
    journal.close()
