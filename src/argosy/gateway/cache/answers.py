"""All kept answers, for an event loop: one thread looks up, another one writes, and neither is waited for to write.

Invariants: nothing that fails here fails a request; an entry opens for its own key alone, so that neither a damaged nor
an exchanged row is ever told; the work that waits to be written is bounded.
"""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from argosy.core import Unavailable
from argosy.gateway.cache.entry import BYTES_MAX, Entry, read, write
from argosy.gateway.cache.fold import NotPlain
from argosy.gateway.cache.shelf import Shelf
from argosy.runtime import Vault

_log = structlog.get_logger()
_WAITING_MAX = 256
"""Entries that may wait to be written; beyond, they are not kept."""
_BROKEN = (sqlite3.Error, OSError)


class AnswerCache:
    """One per API process; several processes share its file."""

    def __init__(self, path: Path, vault: Vault, *, bytes_max: int, ttl_s: int, charge_percent: int = 0) -> None:
        """``charge_percent``: the share of the saved tokens that a hit is charged."""
        self.charge_percent = charge_percent
        self.counts: Counter[str] = Counter()
        """What became of requests that had asked for it (hit, miss, bypass), and of entries (stored, failed)."""
        self.saved: Counter[str] = Counter()
        """Tokens that were not computed again, by kind: prompt, completion."""
        self._vault = vault
        self._reading, self._writing = (Shelf(path, bytes_max, ttl_s) for _ in range(2))
        self._reader = ThreadPoolExecutor(1, "cache-reader")
        self._writer = ThreadPoolExecutor(1, "cache-writer")
        self._waiting = 0
        self._failing = False
        self._lock = threading.Lock()

    async def find(self, key: str) -> tuple[Entry, int] | None:
        """The entry and its age in seconds, None if there is none that can be read."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._find, key)

    def keep(self, key: str, project_id: str, begun_us: int, make: Callable[[], Entry]) -> None:
        """Have an entry made and kept in a while. ``make`` runs in a thread, and may raise NotPlain."""
        with self._lock:
            if self._waiting >= _WAITING_MAX:
                self.counts["failed"] += 1
                return
            self._waiting += 1
        self._writer.submit(self._keep, key, project_id, begun_us, make)

    def empty(self, project_id: str) -> int:
        """Throw all answers of a project away; says how many there were. Blocks. Raises Unavailable."""
        try:
            return self._writer.submit(self._writing.empty, project_id).result()
        except _BROKEN as error:
            raise _unusable(error) from error

    def size(self, project_id: str) -> tuple[int, int]:
        """A project's answers and their bytes. Blocks. Raises Unavailable."""
        try:
            return self._reader.submit(self._reading.size, project_id).result()
        except _BROKEN as error:
            raise _unusable(error) from error

    def settle(self) -> None:
        """Wait until all that is to be kept so far is. Blocks."""
        self._writer.submit(int).result()

    def stop(self) -> None:
        """Write what is waiting and close the file. Blocks."""
        for thread, shelf in ((self._reader, self._reading), (self._writer, self._writing)):
            thread.submit(shelf.close)
            thread.shutdown()

    def _find(self, key: str) -> tuple[Entry, int] | None:
        try:
            found = self._reading.get(key)
            self._failing = False
        except _BROKEN as error:
            self._report(error)
            return None
        if found is None:
            return None
        sealed, age_s, stale = found
        try:
            entry = read(self._vault.open_bytes(sealed, _purpose(key)))
        except (Unavailable, ValueError):
            self._writer.submit(self._quietly, self._writing.remove, key)
            return None
        if stale:
            self._writer.submit(self._quietly, self._writing.touch, key)
        return entry, age_s

    def _keep(self, key: str, project_id: str, begun_us: int, make: Callable[[], Entry]) -> None:
        try:
            written = write(make())
            if len(written) <= BYTES_MAX:
                sealed = self._vault.seal_bytes(written, _purpose(key))
                if self._quietly(self._writing.put, key, project_id, sealed, begun_us):
                    self.counts["stored"] += 1
        except (NotPlain, ValueError, KeyError, TypeError):
            return  # an answer in a shape that we do not know is not kept
        finally:
            with self._lock:
                self._waiting -= 1

    def _quietly(self, work: Callable[..., None], *arguments: object) -> bool:
        try:
            work(*arguments)
        except _BROKEN as error:
            self._report(error)
            return False
        self._failing = False
        return True

    def _report(self, error: Exception) -> None:
        self.counts["failed"] += 1
        if not self._failing:
            _log.warning("cache.failing", error=type(error).__name__, reason=str(error))
        self._failing = True


def _purpose(key: str) -> str:
    return f"cache:{key}"


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(
        f"The file of kept answers cannot be used just now ({error}). Please try again shortly.",
        code="cache_unavailable",
        retry_after_s=5,
    )
