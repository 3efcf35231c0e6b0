"""A crash at every write, sync, creation and removal of the journal, and of recovery: what was promised is kept.

A scripted day of the journal is recorded once; then for each moment of it, all that `crash_disk` says may be left of
the disk is made real and recovered from. What is promised: by `kill -9` nothing is lost that was given; by a power cut
no intent that was awaited, and no outcome that was synced; nothing is ever invented, and nothing counts twice.
"""

import asyncio
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from tests.fresh import fresh_database

from argosy.billing import Intent, Journal, UsageEvent, record, recover, recovery
from argosy.billing.frames import Progress, encode
from argosy.billing.reports import EventFilter, list_events
from argosy.core import Unavailable
from argosy.runtime import Database

from .conftest import Meter
from .crash_disk import Crash, Disk, Op, Recorder, write

METER = Meter("price_1")
_AGAIN = 8
"""One in so many recoveries is repeated."""
Rows = dict[str, UsageEvent]


def insert_once(rows: Rows, events: Sequence[UsageEvent]) -> int:
    """What the database does with them: see `argosy.billing.meter`."""
    new = {event.id: event for event in reversed(events) if event.id not in rows}
    rows.update(new)
    return len(new)


@dataclass
class Day:
    """A journal at work, recorded."""

    recorder: Recorder
    journal: Journal
    rows: Rows = field(default_factory=dict)
    intents: dict[str, list[Intent]] = field(default_factory=dict)

    async def begin(self, id_: str, batch: str | None = None, model: str = "ship") -> None:
        intent = msgspec.structs.replace(METER.intent(id_), batch_id=batch, model=model)
        self.intents.setdefault(id_, []).append(intent)
        self.recorder.tell("asked", intent)
        try:
            await self.journal.intent(intent)
        except Unavailable:
            self.recorder.tell("refused", id_)
        else:
            self.recorder.tell("safe", id_)

    def count(self, id_: str, tokens: int) -> None:
        self.recorder.tell("progress", (id_, tokens))
        self.journal.progress(id_, tokens)

    def end(self, id_: str, **units: int) -> None:
        event = self.intents[id_][-1].ended("complete", 9, prompt=3, completion=len(id_), **units)
        self.recorder.tell("ending", event)
        self.journal.outcome(event)
        self.recorder.tell("ended", event)

    def void(self, id_: str) -> None:
        self.recorder.tell("voiding", id_)
        self.journal.void(id_)
        self.recorder.tell("void", id_)

    def ship(self, count: int) -> None:
        events = self.journal.take(count)
        insert_once(self.rows, events)
        self.recorder.tell("posted", tuple(events))
        self.journal.shipped(len(events))


async def work(day: Day) -> None:
    """Requests of all kinds, over several segments, some of them shipped at once, some late, some never."""
    await day.begin("long")
    day.count("long", 2)
    await day.begin("forgotten")
    for turn in range(3):
        names = [f"{turn}{letter}" for letter in "abcd"]
        await asyncio.gather(*(day.begin(name) for name in names))
        day.count(names[0], turn + 1)
        day.end(names[0])
        day.void(names[1])
        await day.begin(f"{turn}batch", batch="batch_1")
        if turn == 1:
            day.end(f"{turn}batch")
            await day.begin("moved")
            await day.begin("moved", model="other")
        day.end(names[2])
        await asyncio.sleep(0.06 * (turn == 1))
        day.count("long", 10 * turn + 5)
        day.ship(turn + 1)
        day.end(names[3])
    await day.begin("late void")
    await asyncio.gather(*(day.begin(f"x{n}") for n in range(3)))
    day.void("late void")
    day.end("long")
    day.ship(2)
    day.end("x0")
    await asyncio.sleep(0.07)
    day.ship(3)


@dataclass(frozen=True)
class Promise:
    """What must hold, by what the workload was told until a moment."""

    intents: dict[str, list[Intent]]
    safe: set[str]
    posted: Rows
    ending: Rows
    ended: Rows
    voiding: set[str]
    void: set[str]
    progress: dict[str, set[int]]

    @staticmethod
    def at(log: list[Op], moment: int) -> "Promise":
        found = Promise({}, set(), {}, {}, {}, set(), set(), {})
        for op in log[:moment]:
            match op.kind, op.told:
                case "asked", intent:
                    found.intents.setdefault(intent.id, []).append(intent)
                case "safe", id_:
                    found.safe.add(id_)
                case "progress", (id_, tokens):
                    found.progress.setdefault(id_, set()).add(tokens)
                case "ending", event:
                    found.ending[event.id] = event
                case "ended", event:
                    found.ended[event.id] = event
                case "voiding", id_:
                    found.voiding.add(id_)
                case "void", id_:
                    found.void.add(id_)
                case "posted", events:
                    insert_once(found.posted, events)
        return found

    def broken(self, rows: Rows, certain: Rows, *, killed: bool) -> list[str]:
        """What of it does not hold of the rows after recovery. ``certain`` are the outcomes that cannot be lost."""
        wrong = [f"{id_} is invented" for id_ in rows.keys() - self.intents.keys()]
        for id_, intents in self.intents.items():
            row, batch = rows.get(id_), intents[0].batch_id is not None
            if id_ in certain or id_ in self.posted:
                if row != (self.posted.get(id_) or certain[id_]):
                    wrong.append(f"{id_} ended, and became {row}")
            elif row is None:
                if id_ in self.safe and id_ not in self.voiding and not batch:
                    wrong.append(f"{id_} was accepted, and is lost")
            elif row != self.ending.get(id_) and not self._settled(row, intents):
                wrong.append(f"{id_} was never like {row}")
            elif id_ in self.void and (killed or row.completion_tokens):
                wrong.append(f"{id_} is void, and became {row}")
        return wrong

    def _settled(self, row: UsageEvent, intents: list[Intent]) -> bool:
        told = [None, *(Progress(row.id, n, row.finished_us) for n in self.progress.get(row.id, ()))]
        kept = [intent for intent in intents if intent.batch_id is None]
        return any(row == recovery.settle(intent, one) for intent in kept for one in told)


@dataclass
class Trial:
    """Recovers from disks, each different one once."""

    folder: Path
    patch: pytest.MonkeyPatch
    states: int = 0
    _known: dict[tuple[bytes, frozenset[str]], Rows] = field(default_factory=dict)

    def rows_after(self, disk: Disk, posted: Rows) -> Rows:
        """The rows after a recovery from it, and after another one that finds the disk as if it had been cut off."""
        digest = hashlib.blake2b(repr(sorted(disk.items())).encode()).digest()
        key = digest, frozenset(posted)
        if key not in self._known:
            self.states += 1
            rows = dict(posted)
            self.patch.setattr(recovery, "post_events", lambda _, events, *__: insert_once(rows, events))
            self.patch.setattr(recovery, "end_leases", lambda *_: None)
            for again in (False, True)[: 1 + (self.states % _AGAIN == 0)]:
                before = dict(rows)
                root = self.folder / f"{self.states}{'b' if again else 'a'}"
                root.mkdir()
                write(disk, root)
                recover(root / "journal", Database("sqlite://"))
                assert list((root / "journal").glob("jrn_*")) == []
                assert not again or rows == before, "recovery was repeated and changed something"
                shutil.rmtree(root)
            self._known[key] = rows
        return self._known[key]


def certain_outcomes(promise: Promise, safe: Disk) -> Rows:
    """The outcomes that lie on synced ground."""
    lying = b"".join(content for content in safe.values() if content)
    return {id_: event for id_, event in promise.ended.items() if encode(event) in lying}


def recorded(tmp_path: Path, **faults: Any) -> list[Op]:
    """The log of a day, and of the recovery after it."""
    root = tmp_path / "home"
    root.mkdir()
    recorder = Recorder(root, **faults)
    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)

        async def day() -> Rows:
            made = Day(recorder, Journal(root / "journal", segment_bytes=900))
            await work(made)
            made.journal.close()
            return made.rows

        rows = asyncio.run(day())

        def post(_: Database, events: Sequence[UsageEvent], __: Path, ___: str = "") -> int:
            done = insert_once(rows, events)
            recorder.tell("posted", tuple(events))
            return done

        patch.setattr(recovery, "post_events", post)
        patch.setattr(recovery, "end_leases", lambda *_: None)
        recover(root / "journal", Database("sqlite://"))
    return recorder.log


FAULTS: dict[str, dict[str, Any]] = {
    "a good disk": {},
    "a disk that is full at times": {"short_writes": {4, 9, 10, 23}},
    "syncs that fail": {"failing_syncs": {5, 8}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_a_crash_leaves_what_was_promised_is_kept(
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    caplog.set_level(logging.CRITICAL)
    log = recorded(tmp_path, **FAULTS[fault])
    assert {op.kind for op in log} >= {"add folder", "add", "write", "synced", "remove", "posted", "void"}
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    trial, wrong = Trial(folder, monkeypatch), []
    killed: list[Disk] = []
    cut: list[Disk] = []
    for moment in range(len(log) + 1):
        promise, crash = Promise.at(log, moment), Crash(log, moment)
        if not moment or log[moment - 1].path:
            killed, cut = list(crash.killed()), list(crash.power_cut())
        else:
            killed = killed[:1]  # the last write is over
        # What a full disk did not take is in memory alone until it is posted: so `Journal.outcome` says.
        written = certain_outcomes(promise, killed[0]) if "short_writes" in FAULTS[fault] else promise.ended
        for disk in killed:
            rows = trial.rows_after(disk, promise.posted)
            wrong += [f"killed at {moment}: {one}" for one in promise.broken(rows, written, killed=True)]
        certain = certain_outcomes(promise, crash.safe())
        for disk in cut:
            rows = trial.rows_after(disk, promise.posted)
            wrong += [f"power cut at {moment}: {one}" for one in promise.broken(rows, certain, killed=False)]
    print(f"{fault}: {len(log)} moments, {trial.states} states")
    assert wrong == []
    assert trial.states > 1_000


def test_the_real_database_ends_with_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = recorded(tmp_path)
    trial = Trial(tmp_path, monkeypatch)
    for number, moment in enumerate(range(5, len(log), len(log) // 12)):
        promise, disks = Promise.at(log, moment), list(Crash(log, moment).power_cut())
        disk = disks[number * 7 % len(disks)]
        expected = trial.rows_after(disk, promise.posted)
        monkeypatch.undo()
        database = fresh_database(tmp_path / f"{number}.sqlite")
        root = tmp_path / f"real {number}"
        root.mkdir()
        write(disk, root)
        with database.write() as tx:
            tx.execute(
                text(
                    "INSERT INTO price_versions (id, model, version, currency, input, cached_input, output, training, "
                    "created_at) VALUES ('price_1', 'ship', 1, 'USD', 5, 5, 5, 5, 1)"
                )
            )
            record(tx, list(promise.posted.values()))
        assert recover(root / "journal", database).posted == len(expected) - len(promise.posted)
        with database.read() as tx:
            lines = {line.id: line for line in list_events(tx, "proj_a", EventFilter(), limit=1_000)}
        assert lines.keys() == expected.keys()
        for id_, event in expected.items():
            counts = lines[id_].units["input"], lines[id_].units["output"], lines[id_].outcome
            assert counts == (event.prompt_tokens, event.completion_tokens, event.outcome)
        database.close()
