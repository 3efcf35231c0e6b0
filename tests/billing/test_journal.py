"""The journal: on disk before anyone is told, and no larger than it may be."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.billing import Intent, Journal, UsageEvent
from argosy.billing.frames import Progress, Record, Void, decode, encode
from argosy.billing.segments import segment_files
from argosy.core import Unavailable

from .conftest import Meter

METER = Meter("price_1")


def on_disk(journal: Journal) -> list[Record]:
    return [record for path in segment_files(journal.folder) for record in decode(path.read_bytes()).records]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def test_an_intent_is_on_disk_when_it_was_awaited_and_an_outcome_when_it_was_given(parent: Path) -> None:
    journal = Journal(parent)
    await journal.intent(METER.intent("req_1"))
    assert on_disk(journal) == [METER.intent("req_1")]
    ended = METER.event("req_1", completion_tokens=3)
    journal.outcome(ended)
    assert on_disk(journal) == [METER.intent("req_1"), ended]
    assert journal.take(10) == [ended]
    journal.close()


async def test_intents_at_once_share_a_sync(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, syncs = Journal(parent), []

    def slow_sync(descriptor: int) -> None:
        syncs.append(descriptor)
        __import__("time").sleep(0.01)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    await asyncio.gather(*(journal.intent(METER.intent(f"req_{n}")) for n in range(100)))
    assert len(syncs) <= 3
    journal.close()


async def progress_of(journal: Journal, request_id: str) -> None:
    """Wait until some progress of the request is on disk."""
    async with asyncio.timeout(20):
        while not any(isinstance(one, Progress) and one.id == request_id for one in on_disk(journal)):
            await asyncio.sleep(0.005)


async def test_progress_is_written_once_for_many_tokens(parent: Path) -> None:
    journal = Journal(parent)
    await journal.intent(METER.intent("req_1"))
    for count in range(1, 501):
        journal.progress("req_1", count)
    await progress_of(journal, "req_1")
    counts = [record.delivered_tokens for record in on_disk(journal) if isinstance(record, Progress)]
    assert counts == [500]
    journal.close()


async def test_a_void_intent_is_let_go(parent: Path) -> None:
    journal = Journal(parent)
    await journal.intent(METER.intent("req_1"))
    journal.void("req_1")
    assert on_disk(journal)[-1] == Void("req_1")
    assert (journal.open_requests, journal.unshipped) == (0, 0)
    journal.close()


async def test_nothing_is_left_on_disk_once_all_is_shipped(parent: Path) -> None:
    journal = Journal(parent, segment_bytes=2_000)
    for n in range(100):
        await journal.intent(METER.intent(f"req_{n:03d}"))
        journal.outcome(METER.event(f"req_{n:03d}"))
    assert len(segment_files(journal.folder)) > 3
    journal.shipped(100)
    assert len(segment_files(journal.folder)) == 1
    journal.close()
    assert not journal.folder.exists()


async def test_a_segment_stays_while_one_of_its_requests_is_open(parent: Path) -> None:
    journal = Journal(parent, segment_bytes=1_000)
    await journal.intent(METER.intent("req_slow"))
    for n in range(50):
        await journal.intent(METER.intent(f"req_{n:03d}"))
        journal.outcome(METER.event(f"req_{n:03d}"))
    journal.progress("req_slow", 12)
    journal.shipped(50)
    await progress_of(journal, "req_slow")
    kept = [record for record in on_disk(journal) if getattr(record, "id", "") == "req_slow"]
    assert [type(record) for record in kept] == [Intent, Progress]
    journal.close()
    assert journal.folder.exists()


@pytest.mark.parametrize("bound", [{"bytes_max": 3_000}, {"unshipped_max": 10}])
async def test_a_full_journal_refuses_new_work_and_takes_what_was_accepted(parent: Path, bound: dict[str, int]) -> None:
    journal = Journal(parent, segment_bytes=500, **bound)  # type: ignore[arg-type]
    await journal.intent(METER.intent("req_accepted"))

    async def fill() -> None:
        for n in range(100):
            await journal.intent(METER.intent(f"req_{n:03d}"))
            journal.outcome(METER.event(f"req_{n:03d}"))

    with pytest.raises(Unavailable) as refused:
        await fill()
    assert (refused.value.code, refused.value.retry_after_s) == ("journal_full", 5)
    journal.outcome(METER.event("req_accepted"))
    journal.shipped(journal.unshipped)
    await journal.intent(METER.intent("req_later"))
    journal.close()


async def test_a_failed_sync_is_not_taken_for_a_good_one(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, real, failures = Journal(parent), os.fdatasync, [OSError(errno.EIO, "Input/output error")]

    def sync(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    with pytest.raises(Unavailable, match="Input/output error"):
        await journal.intent(METER.intent("req_1"))
    await asyncio.sleep(0.05)
    await journal.intent(METER.intent("req_2"))
    assert journal.open_requests == 1
    first, second = (decode(path.read_bytes()).records for path in segment_files(journal.folder))
    assert first == [METER.intent("req_1")], "the failed segment is not used any more"
    assert second == [Void("req_1"), METER.intent("req_2")]
    journal.close()


async def test_a_full_disk_refuses_intents_and_leaves_whole_records(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, real = Journal(parent), os.write
    await journal.intent(METER.intent("req_1"))
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:20]))
    with pytest.raises(Unavailable, match="part of a record"):
        await journal.intent(METER.intent("req_2"))
    ended: UsageEvent = METER.event("req_1")
    journal.outcome(ended)
    monkeypatch.undo()
    assert on_disk(journal) == [METER.intent("req_1")]
    assert journal.take(1) == [ended], "what the disk did not take is still to be shipped"
    journal.close()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The journal's thread is in a sync, and stays there until this is set."""
    gate, real = threading.Event(), os.fdatasync

    def sync(descriptor: int) -> None:
        gate.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    yield gate
    gate.set()


async def begun(journal: Journal) -> "asyncio.Future[None]":
    first = journal.intent(METER.intent("req_1"))
    while not on_disk(journal):
        await asyncio.sleep(0.001)
    return first


async def test_intents_go_to_disk_with_the_next_outcome_and_before_it(parent: Path, stuck: threading.Event) -> None:
    journal = Journal(parent)
    first = await begun(journal)
    others = [journal.intent(METER.intent(f"req_{n}")) for n in (2, 3)]
    assert len(on_disk(journal)) == 1
    journal.outcome(METER.event("req_1"))
    assert on_disk(journal) == [*(METER.intent(f"req_{n}") for n in (1, 2, 3)), METER.event("req_1")]
    stuck.set()
    await asyncio.gather(first, *others)
    assert len(on_disk(journal)) == 4
    journal.close()


async def test_intents_that_an_outcome_could_not_take_along_are_refused(
    parent: Path, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, real, room = Journal(parent), os.write, len(encode(METER.event("req_1")))
    first = await begun(journal)
    others = [journal.intent(METER.intent(f"req_{n}")) for n in (2, 3)]
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:room]))
    journal.outcome(METER.event("req_1"))
    stuck.set()
    await first
    for other in others:
        with pytest.raises(Unavailable, match="part of a record"):
            await other
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:10]))
    refused = journal.intent(METER.intent("req_4"))
    assert refused.done(), "a full disk is known by now: no engine is troubled"
    monkeypatch.setattr(os, "write", real)
    await journal.intent(METER.intent("req_5"))
    records = on_disk(journal)
    assert [each.id for each in records if isinstance(each, Intent)] == ["req_1", "req_5"]
    assert [each.id for each in records if isinstance(each, UsageEvent)] == ["req_1"]
    assert journal.open_requests == 2
    journal.close()
