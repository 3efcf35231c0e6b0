"""The lines of one batch, some at a time, until all are answered or it is halted."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

from argosy.batches.asking import Asker, Later
from argosy.batches.lines import Line
from argosy.batches.queue import Queue
from argosy.batches.results import Answer, Results
from argosy.batches.store import Batch, Counts
from argosy.runtime import Vault
from argosy.runtime.shifts import Interrupted

_LOOK_S = 0.5
_POLL_S = 0.05
_GRACE_S = 20.0
"""How long lines in flight may take to end once the batch is halted: what is answered is billed, and to be kept."""


class Run:
    """One run of one batch, in a loop of its own: `go`."""

    def __init__(
        self,
        batch: Batch,
        lines: Iterator[Line],
        results: Results,
        *,
        look: Callable[[Counts], bool],
        width: Callable[[], int],
        stopping: threading.Event,
    ) -> None:
        """``look`` shows how far the batch is and says whether to halt; it may block. ``width``: lines in flight."""
        self._batch, self._queue, self._results = batch, Queue(lines), results
        self._look, self._width, self._stopping = look, width, stopping
        self._halted = asyncio.Event()

    async def go(self, url: str, vault: Vault, places: int) -> None:
        """Put the lines to the API at ``url``, at most ``places`` at once.

        Raises Interrupted, what `look` raises, and OSError if answers cannot be kept.
        """
        async with Asker(url, vault, self._batch, self._halted) as asker:
            pullers: asyncio.Future[Any] = asyncio.gather(*(self._pull(asker, place) for place in range(places)))
            watcher: asyncio.Future[Any] = asyncio.ensure_future(self._watch())
            stopper: asyncio.Future[Any] = asyncio.ensure_future(self._until_stopping())
            try:
                await asyncio.wait([pullers, watcher, stopper], return_when=asyncio.FIRST_COMPLETED)
                if stopper.done():
                    raise Interrupted
                if watcher.done() and not pullers.done():
                    self._halted.set()
                    watcher.result()
                    await asyncio.wait([pullers, stopper], timeout=_GRACE_S, return_when=asyncio.FIRST_COMPLETED)
                if pullers.done():
                    pullers.result()
            finally:
                for task in (pullers, watcher, stopper):
                    task.cancel()
                await asyncio.gather(pullers, watcher, stopper, return_exceptions=True)

    async def _pull(self, asker: Asker, place: int) -> None:
        """Take the next line, and the next, as long as there is one; out of turn, wait.

        A line that is refused goes back, so the one who took it stays for it; others may leave before.
        """
        loop = asyncio.get_running_loop()
        while not self._halted.is_set() and not self._queue.is_empty:
            if place >= self._width() or (line := self._queue.take(loop.time())) is None:
                await asyncio.sleep(_POLL_S)
                continue
            match await asker.ask(line):
                case Later(seconds):
                    self._queue.put_back(line, loop.time() + seconds)
                case Answer() as answer:
                    self._results.add(answer)

    async def _watch(self) -> None:
        """Return once the batch is to be halted."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if await asyncio.to_thread(self._keep_and_look, self._results.counts):
                return

    def _keep_and_look(self, counts: Counts) -> bool:
        self._results.sync()
        return self._look(counts)

    async def _until_stopping(self) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(_POLL_S)
