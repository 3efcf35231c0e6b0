"""One line of a batch put to the API, as a client would: waiting its turn, backing off, trying again."""

import asyncio
import logging
from dataclasses import dataclass

import aiohttp
import msgspec

from argosy.batches.grants import seal_grant
from argosy.batches.lines import Line
from argosy.batches.results import Answer, read_answer
from argosy.batches.store import Batch
from argosy.runtime import Vault

FAULTS_MAX = 3
"""Answers of 5xx, broken connections or silences after which a line ends with that error."""
_PRIORITY = "batch"
_SILENCE_S = 900.0
_CONNECT_S = 5.0
_UNREACHED_S = 0.5
_AGAIN_S = 0.5
_REFUSED_S = 15.0
_RETRY_AFTER_S_MAX = 300.0
_LOG = logging.getLogger(__name__)
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Later:
    """The model is busy or away: ask again after so many seconds."""

    seconds: float


class Asker:
    """Puts the lines of one batch. Use it as an async context, in one loop."""

    def __init__(self, url: str, vault: Vault, batch: Batch, halted: asyncio.Event) -> None:
        """``url`` is the API's; ``halted``: no line is begun or tried again any more."""
        self._url, self._vault, self._batch, self._halted = url + batch.endpoint, vault, batch, halted
        self._not_before = 0.0

    async def __aenter__(self) -> "Asker":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3.0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": _JSON, "x-argosy-priority": _PRIORITY, "user-agent": "argosy-worker"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, line: Line) -> Answer | Later | None:
        """The answer, or the error that stands after some tries; None if there is neither before the batch is halted.

        `Later` is what the API says by 429 and 503, however often.
        """
        faults = 0
        while await self._may_go():
            try:
                status, body, retry_after = await self._post(line)
            except aiohttp.ClientConnectorError:
                self._back_off(_UNREACHED_S)  # the API is starting again: no fault of the line's
                continue
            except TimeoutError:
                status, body, retry_after = _failure(504, "request_timeout", "The model was silent for too long.")
            except (aiohttp.ClientError, OSError):
                status, body, retry_after = _failure(502, "connection_lost", "The connection to the API broke.")
            if status in (429, 503):
                return Later(retry_after)
            if status == 401:
                _LOG.error("The API does not let the worker in. Have both the same secret.key (ARGOSY_SECRET_KEY)?")
                self._back_off(_REFUSED_S)
            elif status >= 500 and (faults := faults + 1) < FAULTS_MAX:
                await self._sleep(_AGAIN_S * faults)
            else:
                return read_answer(line.number, line.custom_id, status, body)
        return None

    async def _post(self, line: Line) -> tuple[int, bytes, float]:
        """Status, body and Retry-After in seconds."""
        granted = {"authorization": seal_grant(self._vault, self._batch, line.number)}
        async with self._session.post(self._url, data=line.body, headers=granted, allow_redirects=False) as response:
            return response.status, await response.read(), _seconds(response.headers.get("retry-after"))

    def _back_off(self, seconds: float) -> None:
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)

    async def _may_go(self) -> bool:
        """Wait while the API is away; False once the batch is halted."""
        loop = asyncio.get_running_loop()
        while not self._halted.is_set() and (wait_s := self._not_before - loop.time()) > 0:
            await self._sleep(wait_s)
        return not self._halted.is_set()

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._halted.wait(), seconds)
        except TimeoutError:
            return


def _failure(status: int, code: str, message: str) -> tuple[int, bytes, float]:
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return status, msgspec.json.encode({"error": error}), 1.0


def _seconds(retry_after: str | None) -> float:
    """A Retry-After header in seconds; 1 for none, and for a date, which our API never sends."""
    try:
        return min(max(float(retry_after or 1), 0.05), _RETRY_AFTER_S_MAX)
    except ValueError:
        return 1.0
