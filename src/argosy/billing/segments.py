"""The files of one journal: numbered segments that are appended to, synced and, once nothing needs them, deleted.

Invariants: a segment ends with a whole record as long as the process lives (a short write is cut back); a segment is
deleted only when no id is held by it, and no intent outlives its void; the lock on the folder lives exactly as long as
the process.
"""

import contextlib
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argosy.core import new_id

_LOCK = "lock"
_SUFFIX = ".journal"


class Segments:
    """Segments in a new folder of their own below ``parent``. Not thread-safe: `Journal` holds a lock around it."""

    def __init__(self, parent: Path) -> None:
        with exclusive(parent):
            self.folder = parent / new_id("jrn_")
            self.folder.mkdir()
            self._lock = os.open(self.folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.number = 0
        self.size = 0
        """Bytes in the current segment."""
        self._sizes: dict[int, int] = {}
        self._finished_bytes = 0
        self._holds: dict[str, tuple[int, ...]] = {}
        """The segments that are needed for an id: nearly always one, its tuple shared by all ids."""
        self._held: Counter[int] = Counter()
        self._voids: dict[int, set[int]] = {}
        """Segments that void something of earlier ones."""
        self.descriptor = self._open(1)

    @property
    def total_bytes(self) -> int:
        """Bytes in all segments."""
        return self._finished_bytes + self.size

    @property
    def open_ids(self) -> int:
        """How many ids are not done with."""
        return len(self._holds)

    def append(self, data: bytes) -> None:
        """Write to the current segment, all or nothing. Raises OSError, with nothing written."""
        try:
            written = os.write(self.descriptor, data)
            if written != len(data):
                raise OSError("the disk took only part of a record")
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(data)

    def hold(self, id_: str) -> None:
        """The current segment is needed until ``id_`` is released, and so are the earlier ones: what is written last
        may not be synced yet.
        """
        held = self._holds.get(id_)
        if held is self._this:
            return  # nearly always: a segment holds thousands of requests from their beginning to their end
        if held is None:
            self._holds[id_] = self._this
            self._held[self.number] += 1
        elif self.number not in held:
            self._holds[id_] = (*held, self.number)
            self._held[self.number] += 1

    def holds(self, id_: str) -> bool:
        """Whether the id has been written about and not released."""
        return id_ in self._holds

    def release(self, id_: str, *, void: bool = False) -> None:
        """Nothing more is needed of ``id_``; ``void``: because the current segment says that it is void, which must be
        known for as long as an earlier one says anything else.
        """
        for number in self._holds.pop(id_, ()):
            self._held[number] -= 1
            if void and number != self.number:
                self._voids.setdefault(self.number, set()).add(number)

    def rotate(self) -> int:
        """Go on in a new segment; returns the old descriptor, for the caller to sync and close. Raises OSError."""
        old, number, size = self.descriptor, self.number, self.size
        self.descriptor = self._open(number + 1)
        self._sizes[number] = size
        self._finished_bytes += size
        return old

    def sweep(self) -> None:
        """Delete the finished segments that nothing holds."""
        for number in [number for number in self._sizes if not self._held[number]]:  # oldest first
            if any(earlier in self._sizes for earlier in self._voids.get(number, ())):
                continue
            (self.folder / _name(number)).unlink(missing_ok=True)
            self._finished_bytes -= self._sizes.pop(number)
            del self._held[number]
            self._voids.pop(number, None)

    def close(self) -> None:
        """Close; the folder goes too if nothing in it is needed, and else is left for `recover`."""
        os.close(self.descriptor)
        if not self._holds:
            with contextlib.suppress(OSError):
                remove(self.folder)
        os.close(self._lock)

    def _open(self, number: int) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        descriptor = os.open(self.folder / _name(number), flags, 0o600)
        self.number, self.size, self._this = number, 0, (number,)
        return descriptor


@contextmanager
def exclusive(parent: Path) -> Iterator[None]:
    """One process at a time makes or takes over a journal below ``parent``."""
    parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parent / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def abandoned(folder: Path) -> Iterator[bool]:
    """Whether the journal's process is gone; if so, it is ours until the block ends."""
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def segment_files(folder: Path) -> list[Path]:
    """The folder's segments, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def remove(folder: Path) -> None:
    """Take a journal away, its oldest segment first: cut off in between, no void is gone before what it is of."""
    for path in segment_files(folder):
        path.unlink()
    shutil.rmtree(folder)


def _name(number: int) -> str:
    return f"{number:09d}{_SUFFIX}"
