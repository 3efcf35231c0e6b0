"""After a crash: everything that was acknowledged is posted, once; nothing is invented."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from argosy import billing
from argosy.billing import RECEIVABLE, Journal, Shipper, UsageEvent, post_events, recover
from argosy.billing.frames import encode
from argosy.billing.ledger import store as ledger_store
from argosy.billing.reports import EventFilter, EventLine, list_events
from argosy.billing.segments import segment_files
from argosy.runtime import Database

from .conftest import Meter

ROUNDS = 25


def killed(work: Callable[[Callable[[str], None]], None], delay_s: float) -> list[str]:
    """Run ``work`` in a process that gets kill -9 after ``delay_s``; what it had said until then, line by line."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(lambda line: (os.write(writing, line.encode() + b"\n"), None)[1])
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as said:
        first = said.readline()
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        lines = [first, *said]
    os.waitpid(child, 0)
    return [line.strip() for line in lines if line.endswith("\n")]


def events_in(database: Database) -> dict[str, EventLine]:
    with database.read() as tx:
        return {line.id: line for line in list_events(tx, "proj_a", EventFilter(), limit=1_000_000)}


def busy(url: str, journals: Path, meter: Meter, name: str, ships: bool) -> Callable[[Callable[[str], None]], None]:
    """A process that serves eight clients as fast as it can, and says what it has done after each step."""

    async def client(journal: Journal, say: Callable[[str], None], number: int) -> None:
        for turn in range(1_000_000):
            id_ = f"req_{name}_{number}_{turn}"
            say(f"starts {id_}")
            await journal.intent(meter.intent(id_))
            say(f"intent {id_}")
            journal.progress(id_, turn)
            if turn % 5 == 4:
                say(f"voids {id_}")  # a kill between the void and its being said leaves it open which of the two it was
                journal.void(id_)
                say(f"void {id_}")
                continue
            journal.outcome(meter.event(id_, prompt_tokens=turn + 1, completion_tokens=number))
            say(f"outcome {id_} {turn + 1} {number}")

    async def serve(say: Callable[[str], None]) -> None:
        journal = Journal(journals, segment_bytes=20_000)
        if ships:
            Shipper(journal, partial(post_events, Database(url), rejected=journals / "rejected")).start()
        await asyncio.gather(*(client(journal, say, number) for number in range(8)))

    return lambda say: asyncio.run(serve(say))


def test_kill_at_any_moment_loses_nothing_and_doubles_nothing(database: Database, meter: Meter, journals: Path) -> None:
    chance = random.Random(7)
    said: dict[str, set[str]] = {word: set() for word in ("starts", "intent", "voids", "void", "outcome")}
    counts: dict[str, tuple[int, int]] = {}
    for turn in range(ROUNDS):
        work = busy(database.url, journals, meter, str(turn), ships=turn % 3 != 0)
        for line in killed(work, chance.uniform(0, 0.06)):
            word, id_, *numbers = line.split()
            said[word].add(id_)
            if numbers:
                counts[id_] = (int(numbers[0]), int(numbers[1]))
        if turn % 4 == 3:
            with ThreadPoolExecutor(2) as pool:  # two processes that start at once
                list(pool.map(lambda _: recover(journals, database), range(2)))
    recover(journals, database)
    posted = events_in(database)
    for id_, (prompt, completion) in counts.items():
        line = posted[id_]
        assert (line.units["input"], line.units["output"], line.estimated) == (prompt, completion, False)
    assert said["intent"] - said["voids"] <= posted.keys(), "each accepted request is accounted for"
    assert posted.keys() <= said["starts"], "nothing is invented"
    assert not said["void"] & posted.keys()
    assert len(said["outcome"]) > ROUNDS * 10
    assert list(journals.glob("jrn_*")) == []
    with database.read() as tx:
        assert ledger_store.unbalanced_transactions(tx) == []
        assert billing.balance(tx, "proj_a", RECEIVABLE) == sum(line.total for line in posted.values())


def test_an_unfinished_answer_costs_what_was_delivered(database: Database, meter: Meter, journals: Path) -> None:
    async def serve(say: Callable[[str], None]) -> None:
        journal = Journal(journals)
        for id_ in ("req_delivered", "req_silent"):
            await journal.intent(meter.intent(id_, prompt_estimate=11))
        journal.progress("req_delivered", 40)
        await asyncio.sleep(0.2)
        say("ready")
        await asyncio.sleep(60)

    killed(lambda say: asyncio.run(serve(say)), 0)
    assert recover(journals, database).posted == 2
    posted = events_in(database)
    delivered, silent = posted["req_delivered"], posted["req_silent"]
    assert (delivered.units["input"], delivered.units["output"]) == (11, 40)
    assert (delivered.estimated, delivered.outcome) == (True, "recovered")
    assert (silent.total, silent.outcome) == (0, "recovered")


async def test_recovery_may_be_repeated_and_cut_off(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    for n in range(30):
        await journal.intent(meter.intent(f"req_{n}"))
        journal.outcome(meter.event(f"req_{n}", prompt_tokens=1_000))
    journal.close()
    copy = journals / "jrn_copy"  # as if the folder had come back after a crash between commit and removal
    shutil.copytree(journal.folder, copy)
    assert recover(journals, database).posted == 30
    shutil.copytree(journals, journals.with_name("again"), dirs_exist_ok=True)
    assert recover(journals, database).posted == 0
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 30 * 150


async def test_the_journal_of_a_live_process_is_left_alone(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    await journal.intent(meter.intent("req_1"))
    assert recover(journals, database).journals == 0
    assert journal.folder.exists()
    journal.close()
    assert recover(journals, database).journals == 1


async def test_while_the_database_is_down_the_journal_stays(database: Database, meter: Meter, journals: Path) -> None:
    journal = Journal(journals)
    await journal.intent(meter.intent("req_1"))
    journal.close()
    nowhere = Database("postgresql://postgres@127.0.0.1:1/nothing")
    with pytest.raises(Exception, match="refused"):
        recover(journals, nowhere)
    assert recover(journals, database).posted == 1


def left_behind(journals: Path, *pieces: bytes) -> None:
    (journals / "jrn_old").mkdir(parents=True)
    for number, piece in enumerate(pieces, 1):
        (journals / "jrn_old" / f"{number:09d}.journal").write_bytes(piece)


def test_a_torn_end_is_expected_and_a_bad_middle_is_kept_for_people(
    database: Database, meter: Meter, journals: Path
) -> None:
    first, second, third = (encode(meter.event(f"req_{n}", prompt_tokens=1_000)) for n in range(3))
    left_behind(journals, first + second[:-3], first + second[:-3] + b"?" * 3 + third)
    result = recover(journals, database)
    assert result.posted == 2
    assert [path.name for path in result.damaged] == ["jrn_old-000000002.journal"]
    assert result.damaged[0].read_bytes().endswith(third)
    assert events_in(database).keys() == {"req_0", "req_2"}


def test_what_cannot_be_posted_does_not_keep_the_others_back(database: Database, meter: Meter, journals: Path) -> None:
    lost: UsageEvent = Meter("price_gone").event("req_lost", prompt_tokens=1)
    left_behind(journals, encode(lost) + encode(meter.event("req_1", prompt_tokens=1_000)))
    assert recover(journals, database).posted == 1
    assert (journals / "rejected" / "req_lost.frame").read_bytes() == encode(lost)
    assert segment_files(journals / "jrn_old") == []
