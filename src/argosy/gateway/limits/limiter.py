"""The limits of all callers in one API process.

Nothing here runs for a project without limits but one look into a dict. Where there are some, a process leases units a
second ahead, so that most requests find theirs in memory.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from argosy.core import Invalid
from argosy.gateway.limits import headers
from argosy.gateway.limits.exchanger import Exchanger
from argosy.gateway.limits.hold import Clock, Hold
from argosy.gateway.limits.share import Share
from argosy.gateway.limits.store import UNITS, Limit, WindowKey, all_limits, database_now_us
from argosy.gateway.limits.store import Clock as DatabaseClock
from argosy.gateway.limits.window import Window
from argosy.gateway.requests import Request
from argosy.identity import Caller
from argosy.runtime import Database, read_version

_log = structlog.get_logger()
_FOUND_KEPT = 10_000

Book = Mapping[str, Mapping[tuple[str, str], Limit]]
"""Limits by project, then by scope and subject."""


class RateLimits:
    """`refresh` may be called from any thread, everything else from the loop's."""

    def __init__(
        self, database: Database, clock: Clock = time.monotonic, database_clock: DatabaseClock = database_now_us
    ) -> None:
        self._database, self._exchanger = database, Exchanger(database, clock, database_clock)
        self._version = -1
        self._book: Book = {}
        self._known: Book = {}
        self._shares: dict[WindowKey, Share] = {}
        self._found: dict[tuple[str, str, str], Sequence[Share]] = {}

    @property
    def refusals(self) -> Counter[str]:
        """Requests that were refused so far, by reason: ``requests_per_minute`` or ``tokens_per_minute``."""
        return self._exchanger.refusals

    def refresh(self) -> bool:
        """Load limits that were changed, and write what is to be counted. Says whether any were loaded."""
        self._exchanger.flush()
        with self._database.read() as tx:
            version = read_version(tx)  # first: a change between the reads is then loaded once more, never missed
            if version == self._version:
                return False
            found = all_limits(tx)
        book: dict[str, dict[tuple[str, str], Limit]] = {}
        for limit in found:
            book.setdefault(limit.project_id, {})[limit.scope, limit.subject] = limit
        self._book, self._version = book, version
        return True

    async def stop(self) -> None:
        """Give back what is left, as far as the database can be reached; if it cannot, a minute does the same."""
        await self._exchanger.stop()
        for share in self._shares.values():
            share.give_up()
        try:
            await asyncio.to_thread(self._exchanger.flush)
        except Exception as error:
            _log.warning("limits.not_given_back", error=type(error).__name__)

    async def reserve(self, caller: Caller, request: Request) -> Hold | None:
        """Take what this request is going to use; to be settled however it ends. None where nothing limits it.

        Raises RateLimited with the time when it would have been let through, Invalid if that is never, and Unavailable
        if the database cannot say.
        """
        if not self._book:
            return None
        needs = [(share, _units(share, request)) for share in self._applying(caller, request.model)]
        return await self._exchanger.take(needs) if needs else None

    def headers(self, caller: Caller, model: str) -> dict[str, str]:
        """OpenAI's ``x-ratelimit-*`` headers, of the limit that is nearest to its end; none where nothing limits."""
        return headers.of(self._applying(caller, model), self._exchanger.clock()) if self._book else {}

    def _applying(self, caller: Caller, model: str) -> Sequence[Share]:
        if self._book is not self._known:
            self._forget(self._book)
        mine = self._known.get(caller.project_id)
        if not mine:
            return ()
        place = (caller.project_id, caller.key_id, model)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= _FOUND_KEPT:  # names that nobody knows end up here too
                self._found.clear()
            found = self._found[place] = self._shares_of(mine, caller, model)
        return found

    def _shares_of(self, mine: Mapping[tuple[str, str], Limit], caller: Caller, model: str) -> Sequence[Share]:
        found = []
        for place in (("project", ""), ("key", caller.key_id), ("model", model)):
            if limit := mine.get(place):
                for unit in UNITS:
                    if (allowed := limit.allowed(unit)) is not None:
                        found.append(self._share(WindowKey(limit.id, unit), allowed))
        return found

    def _share(self, key: WindowKey, allowed: int) -> Share:
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = Share(key, Window(allowed), self._exchanger.correct)
        share.window.allowed = allowed
        return share

    def _forget(self, book: Book) -> None:
        """Look everything up again, and let go of the shares of limits that are no more."""
        standing = {limit.id for limits in book.values() for limit in limits.values()}
        self._shares = {key: share for key, share in self._shares.items() if key.limit_id in standing}
        self._found.clear()
        self._known = book


def _units(share: Share, request: Request) -> int:
    """What a request takes from a window: at most all of it, where the size is only a guess. Raises Invalid."""
    if share.key.unit == "requests":
        return 1
    allowed = share.window.allowed
    if request.max_tokens and request.max_tokens * request.parts > allowed:
        raise Invalid(
            f"This request may write {request.max_tokens * request.parts} tokens, and its limit is {allowed} tokens a "
            "minute, so it could never be let through. Ask for fewer with 'max_tokens'.",
            code="over_token_limit",
            param="max_tokens",
        )
    return min(allowed, request.token_estimate)
