"""Stored responses for the data plane: written many at a time, off the event loop, and never waited for long."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from argosy.core import Invalid, Unavailable, now
from argosy.gateway.wires.responses.store import conversation, forget_before, insert_responses
from argosy.gateway.wires.responses.stored import StoredResponse
from argosy.runtime import Database

T = TypeVar("T")
_Waiting = tuple[StoredResponse, "asyncio.Future[None]"]
_log = structlog.get_logger()

PATIENCE_S = 3.0
"""How long a request waits for the database before it is told that its response is not stored, or not found now."""
WAITING_SIZE_MAX = 64 << 20
"""Characters that may wait to be written; beyond, responses are not stored and their clients told so."""
KEPT_S = 30 * 24 * 3600
"""How long a response is kept, as at OpenAI."""
_BATCH = 64
_FORGOTTEN_AT_ONCE = 1000
_FORGET_EVERY_S = 3600


class Archive:
    """Keeps and finds responses. One of each API process; its methods belong to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = ThreadPoolExecutor(1, "responses-write")
        self._readers = ThreadPoolExecutor(4, "responses-read")
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None
        self._forget_at = 0

    async def save(self, response: StoredResponse) -> None:
        """Keep a response; it is on disk when this returns. Raises Unavailable if it was not, or not soon enough.

        A database that hangs in the very transaction may still keep it after that; one that waits its turn is dropped.
        """
        if self._size + response.size > WAITING_SIZE_MAX:
            raise _not_stored()
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        saved.add_done_callback(lambda future: future.cancelled() or future.exception())  # who asked may be gone
        self._waiting.append((response, saved))
        self._size += response.size
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait_for(asyncio.shield(saved), PATIENCE_S)
        except Exception as error:
            saved.cancel()
            _log.error("response.not_stored", response_id=response.id, error=type(error).__name__)
            raise _not_stored() from error

    async def earlier(self, project_id: str, response_id: str) -> list[StoredResponse]:
        """A response of the project and all that it goes on from, oldest first. Raises Invalid, Unavailable."""
        read = self._in_thread(self._readers, lambda: self._read(project_id, response_id))
        try:
            found = await asyncio.wait_for(read, PATIENCE_S)
        except Exception as error:
            _log.error("response.unreadable", response_id=response_id, error=type(error).__name__)
            raise Unavailable(
                "Stored responses cannot be read just now. Please try again shortly.",
                code="responses_unreadable",
                retry_after_s=5,
            ) from error
        if not found:
            raise _not_found(response_id, "is not stored in this project")
        if found[0].previous_id:
            raise _not_found(response_id, f"goes on from '{found[0].previous_id}', which was deleted")
        return found

    def _read(self, project_id: str, response_id: str) -> list[StoredResponse]:
        with self._database.read() as tx:
            return conversation(tx, project_id, response_id)

    async def _write(self) -> None:
        """Write all that waits, many in one transaction. One that cannot be written does not harm the others."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                await self._insert(batch)
            except Exception:
                for one in batch:
                    await self._insert_alone(one)
            self._size -= sum(response.size for response, _ in batch)
            if now() >= self._forget_at:
                await self._forget()
        self._writing = None

    async def _insert_alone(self, one: _Waiting) -> None:
        try:
            await self._insert([one])
        except Exception as error:
            if not one[1].done():
                one[1].set_exception(error)

    async def _insert(self, batch: Sequence[_Waiting]) -> None:
        wanted = [(response, saved) for response, saved in batch if not saved.done()]

        def insert() -> None:
            with self._database.write() as tx:
                insert_responses(tx, [response for response, _ in wanted])

        if wanted:
            await self._in_thread(self._writer, insert)
        for _, saved in wanted:
            if not saved.done():
                saved.set_result(None)

    async def _forget(self) -> None:
        """Delete what was kept long enough, never so much at once that other writers have to wait."""

        def forget() -> int:
            with self._database.write() as tx:
                return forget_before(tx, now() - KEPT_S, _FORGOTTEN_AT_ONCE)

        self._forget_at = now() + _FORGET_EVERY_S
        try:
            if await self._in_thread(self._writer, forget) == _FORGOTTEN_AT_ONCE:
                self._forget_at = 0
        except Exception as error:  # it is tried again; nobody waits for it
            _log.warning("responses.not_forgotten", error=type(error).__name__)

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def _not_stored() -> Unavailable:
    return Unavailable(
        "This response could not be stored, so that it cannot be retrieved nor gone on from. Send the conversation as "
        "'input' instead.",
        code="response_not_stored",
        retry_after_s=5,
    )


def _not_found(response_id: str, why: str) -> Invalid:
    shown = response_id if len(response_id) <= 80 else response_id[:80] + "…"
    return Invalid(
        f"The response '{shown}' {why}. Send the whole conversation as 'input' instead.",
        code="previous_response_not_found",
        param="previous_response_id",
    )
