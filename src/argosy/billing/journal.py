"""The journal of one API process: what was about to happen and what came of it, on disk before anyone is told.

Invariants, whenever the process is killed and whatever it was doing:
- an intent that was awaited is on disk (synced: it survives a power cut too, unless made with ``fsync=False``);
- an outcome whose call returned is in the hands of the operating system: it survives ``kill -9``; a power cut may
  take the last `TICK_S` seconds of outcomes, and then their intents still are there and are settled by estimate;
- what is not yet in the database is on disk; a segment goes only after all it holds is in the database;
- the journal never grows beyond its bound: new intents are refused first, outcomes of accepted ones never are.

Outcomes are written by the caller at once. Intents wait for the next write, whoever makes it: an outcome's, or that of
the thread that syncs for all waiting intents together. A write costs the event loop more than making what is written.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue

from argosy.billing.frames import Progress, Void, encode
from argosy.billing.segments import Segments
from argosy.billing.usage import Intent, UsageEvent
from argosy.core import Unavailable, now_us

TICK_S = 0.05
"""Outcomes are synced and progress is written this often."""
CROWD, CROWD_S = 8, 0.002
"""While so many requests are under way, syncs begin this far apart, so that each serves several: a sync costs a third
of a request. The engines work meanwhile; where few requests come at once, none ever waits."""
SEGMENT_BYTES = 8 << 20
JOURNAL_BYTES_MAX = 256 << 20
"""While the database is down: about half a million requests."""
UNSHIPPED_EVENTS_MAX = 100_000
"""The same, for memory: about 100 MB."""

_RETRY_S = 1.0
"""How often a journal that could not be written tries again."""

_log = logging.getLogger(__name__)


class _Group:
    """Intents of one loop that are synced together, and the one future that all of them wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.future = loop, loop.create_future()
        self.future.add_done_callback(_seen)
        self.ids: list[str] = []


class _Bell:
    """What `threading.Event` does, in a tenth of its time: it rings for every intent."""

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake who waits, or who waits next. Once is enough, however often it is rung."""
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout_s: float | None = None) -> None:
        """Until it has been rung since the last `clear` or `wait`."""
        with contextlib.suppress(Empty):
            self._rung.get(timeout=timeout_s)

    def clear(self) -> None:
        """Forget that it has been rung."""
        with contextlib.suppress(Empty):
            while True:  # two threads may have rung at once
                self._rung.get_nowait()


class Journal:
    """One per API process, in a folder of its own below ``parent``. `recover` reads what a dead process left there."""

    def __init__(
        self,
        parent: Path,
        fsync: bool = True,
        *,
        bytes_max: int = JOURNAL_BYTES_MAX,
        unshipped_max: int = UNSHIPPED_EVENTS_MAX,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._fsync, self._bytes_max, self._unshipped_max = fsync, bytes_max, unshipped_max
        self._segment_bytes = segment_bytes
        self._segments = Segments(parent)
        self.parent, self.folder = parent, self._segments.folder
        self._lock = threading.Lock()
        self._wake = _Bell()
        self._waiting: dict[asyncio.AbstractEventLoop, _Group] = {}
        self._unwritten: list[bytes] = []
        """Intents, all of them of waiting groups."""
        self._lost: OSError | None = None
        """Why a write has not taken along some that waiting groups still hope for."""
        self._full = False
        """The last write of intents failed: until one succeeds, each is written by itself, or refused at once."""
        self._progress: dict[str, int] = {}
        self._progressed_at = 0.0
        """When it was written last, on the monotonic clock."""
        self._unshipped: deque[UsageEvent] = deque()
        self._dirty = self._idle = self._closing = self._broken = False
        self._under_way = 0
        self.outcome_count = 0
        """Outcomes given so far: a mark that `Shipper.flush` waits for."""
        self._sync_folder(parent.parent)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def intent(self, intent: Intent) -> asyncio.Future[None]:
        """Have the intent written; the future is done when it is durable. Others wait for it too: shield it.

        Its exception is Unavailable if that cannot be: then nothing may go out, and the intent is void already.
        """
        loop = asyncio.get_running_loop()
        try:
            with self._lock:
                self._check_room()
                self._unwritten.append(encode(intent))
                if self._full and (refused := self._write_intents()):
                    raise refused
                self._under_way += not self._segments.holds(intent.id)
                self._segments.hold(intent.id)
                group = self._waiting.get(loop)
                if group is None:
                    group = self._waiting[loop] = _Group(loop)
                    self._wake.set()
                group.ids.append(intent.id)
        except (Unavailable, OSError) as error:
            failed: asyncio.Future[None] = loop.create_future()
            failed.add_done_callback(_seen)
            failed.set_exception(error if isinstance(error, Unavailable) else _unavailable(error))
            return failed
        return group.future

    def progress(self, id_: str, delivered_tokens: int) -> None:
        """Note how many tokens of the answer have been delivered in all. Cheap: written once per `TICK_S`."""
        self._progress[id_] = delivered_tokens
        if self._idle:
            self._wake.set()

    def outcome(self, event: UsageEvent) -> None:
        """Note how it ended. To be called before the last byte of the answer goes out. Never raises on a full disk."""
        frame = encode(event)
        with self._lock:
            self._progress.pop(event.id, None)
            if self._write(frame):
                self._segments.hold(event.id)
            self._unshipped.append(event)
            self._under_way -= 1
            self.outcome_count += 1
        if self._idle:
            self._wake.set()

    def void(self, id_: str) -> None:
        """The request was never dispatched, so there will be no outcome."""
        frame = encode(Void(id_))
        with self._lock:
            self._progress.pop(id_, None)
            self._write(frame)
            self._under_way -= self._segments.holds(id_)
            self._segments.release(id_, void=True)

    def take(self, limit: int) -> list[UsageEvent]:
        """The oldest outcomes that are not in the database yet. They stay until `shipped`."""
        with self._lock:
            return list(islice(self._unshipped, limit))

    def shipped(self, count: int) -> None:
        """The ``count`` oldest outcomes are in the database: let go of them."""
        with self._lock:
            for _ in range(count):
                self._segments.release(self._unshipped.popleft().id)
            self._segments.sweep()

    @property
    def unshipped(self) -> int:
        """Outcomes that are not in the database yet."""
        return len(self._unshipped)

    @property
    def open_requests(self) -> int:
        """Requests that are not over, or whose usage is not in the database yet."""
        return self._segments.open_ids

    def close(self) -> None:
        """Sync and stop. What is not in the database is left on disk for `recover`."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        with self._lock:
            self._segments.close()

    def _check_room(self) -> None:
        if self._segments.total_bytes >= self._bytes_max or len(self._unshipped) >= self._unshipped_max:
            raise Unavailable(
                "Usage cannot be written to the database just now, and no more can be kept until it is back. "
                "Try again shortly.",
                code="journal_full",
                retry_after_s=5,
            )
        if self._broken or self._closing:
            raise _unavailable(None)

    def _write(self, frame: bytes) -> bool:
        """Append, and with it the intents that wait for a write, if the disk lets us; says whether it did."""
        intents, self._unwritten = self._unwritten, []
        try:
            self._segments.append(b"".join((*intents, frame)) if intents else frame)
        except OSError as error:
            if intents:
                self._lost, self._full = error, True
                self._wake.set()
                return self._write(frame)
            _log.error("The journal %s cannot be written: %s", self.folder, error)
            return False
        self._dirty = True
        return True

    def _write_intents(self) -> OSError | None:
        """Append the intents that wait for a write; says why they cannot be."""
        if not self._unwritten:
            return None
        intents, self._unwritten = b"".join(self._unwritten), []
        try:
            self._segments.append(intents)
        except OSError as error:
            _log.error("The journal %s cannot be written: %s", self.folder, error)
            self._full = True
            return error
        self._full = False
        return None

    def _run(self) -> None:
        while not self._closing:
            with self._lock:
                self._idle = not (self._waiting or self._dirty or self._progress or self._broken)
            if self._idle:
                self._wake.wait()
                self._idle = False
            if not self._waiting and not self._closing:
                self._wake.wait(_RETRY_S if self._broken else TICK_S)
            began = time.monotonic()
            self._settle()
            if self._under_way >= CROWD and not self._closing:
                time.sleep(max(0.0, began + CROWD_S - time.monotonic()))
        self._settle()

    def _settle(self) -> None:
        """Write progress, sync, and tell those who wait. Goes on in a new segment when this one is full or failed."""
        self._wake.clear()  # first: whoever rang until now is among those whom the next line takes
        with self._lock:
            self._write_progress()
            unwritten, self._lost = self._write_intents() or self._lost, None
            waiting, self._waiting, self._dirty = self._waiting, {}, False
            descriptor = self._segments.descriptor
        failure = self._sync(descriptor)
        self._broken = self._broken or failure is not None
        if self._broken or self._segments.size >= self._segment_bytes:
            self._rotate()
        self._answer(waiting.values(), failure or unwritten)

    def _write_progress(self) -> None:
        """Once per `TICK_S`, however often there are syncs: most answers have ended by then."""
        if not self._progress or (time.monotonic() < self._progressed_at + TICK_S and not self._closing):
            return
        self._progressed_at = time.monotonic()
        counts, self._progress = self._progress, {}
        at_us = now_us()
        for id_, count in counts.items():
            if self._segments.holds(id_) and self._write(encode(Progress(id_, count, at_us))):
                self._segments.hold(id_)

    def _sync(self, descriptor: int) -> OSError | None:
        try:
            if self._fsync:
                os.fdatasync(descriptor)
        except OSError as error:
            _log.error("The journal %s cannot be synced: %s", self.folder, error)
            return error
        return None

    def _rotate(self) -> None:
        """A failed sync is never tried again on the same file: what it dropped would look written."""
        try:
            with self._lock:
                self._lost = self._write_intents() or self._lost  # they are held by this segment
                old = self._segments.rotate()
                self._segments.sweep()
            failure = self._sync(old)
            os.close(old)
            self._sync_folder()
            self._broken = False
        except OSError as error:
            _log.error("The journal %s cannot go on: %s", self.folder, error)
            self._broken = True
            return
        if failure is not None:  # intents that came in since the last sync lie in the old segment
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            self._answer(waiting.values(), failure)

    def _answer(self, waiting: Iterable[_Group], failure: OSError | None) -> None:
        for group in waiting:
            for id_ in group.ids if failure else ():
                self.void(id_)
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                group.loop.call_soon_threadsafe(_resolve, group.future, failure)

    def _sync_folder(self, *others: Path) -> None:
        for folder in (self.folder, self.parent, *others):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _resolve(future: asyncio.Future[None], failure: OSError | None) -> None:
    if not future.done():
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(_unavailable(failure))


def _seen(future: asyncio.Future[None]) -> None:
    """Those whose requests failed for another reason never ask how their intents fared."""
    if not future.cancelled():
        future.exception()


def _unavailable(error: OSError | None) -> Unavailable:
    why = f" ({error.strerror or error})" if error else ""
    return Unavailable(
        f"The request cannot be accounted for, since its journal cannot be written{why}. Free some disk space and "
        "try again.",
        code="journal_unavailable",
    )
