"""The limits of all callers in one API process: a request takes its units in memory, or waits for the next exchange.

Nothing here runs for a project without limits but one look into a dict. Where there are some, a process leases units a
second ahead, so that most requests find theirs in hand; all that cannot wait for one exchange with the database
together, which is one transaction for all limits.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from argosy.core import Invalid, RateLimited, Unavailable
from argosy.gateway.limits import headers
from argosy.gateway.limits.hold import Clock, Hold, Taken
from argosy.gateway.limits.share import Share
from argosy.gateway.limits.store import (
    UNITS,
    Correction,
    Lease,
    Limit,
    Want,
    WindowKey,
    all_limits,
    database_now_us,
    exchange,
)
from argosy.gateway.limits.store import Clock as DatabaseClock
from argosy.gateway.limits.window import LEASE_S, Window
from argosy.gateway.requests import Request
from argosy.identity import Caller
from argosy.runtime import Database, read_version

_log = structlog.get_logger()
_TURNS = 3
"""Exchanges that a request waits for at most, where they took so long that what they gave came too late."""

_FOUND_KEPT = 10_000

Needs = Sequence[tuple[Share, int]]
"""Units that a request takes of each share."""
Book = Mapping[str, Mapping[tuple[str, str], Limit]]
"""Limits by project, then by scope and subject."""


@dataclass(slots=True)
class _Waiter:
    """A request that waits for the next exchange."""

    needs: Needs
    future: "asyncio.Future[Hold]"
    turns: int = 1


class RateLimits:
    """`refresh` may be called from any thread, everything else from the loop's."""

    def __init__(
        self, database: Database, clock: Clock = time.monotonic, database_clock: DatabaseClock = database_now_us
    ) -> None:
        self._database, self._clock, self._database_clock = database, clock, database_clock
        self._version = -1
        self._book: Book = {}
        self._known: Book = {}
        self._shares: dict[WindowKey, Share] = {}
        self._found: dict[tuple[str, str, str], Sequence[Share]] = {}
        self._corrections: deque[Correction] = deque()
        self._waiting: list[_Waiter] = []
        self._low: set[Share] = set()
        self._exchanging: asyncio.Task[None] | None = None
        self.refusals: Counter[str] = Counter()
        """Requests that were refused: ``requests_per_minute`` or ``tokens_per_minute``."""

    def refresh(self) -> bool:
        """Load limits that were changed, and write what is to be counted. Says whether any were loaded."""
        if self._corrections:
            self._exchange({})
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
        if self._exchanging is not None:
            await asyncio.wait([self._exchanging])
        for share in self._shares.values():
            share.give_up()
        if self._corrections:
            try:
                await asyncio.to_thread(self._exchange, {})
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
        if not needs:
            return None
        now = self._clock()
        if all(share.holds(units, now) for share, units in needs):
            return self._take(needs, now)
        closed = any(share.closed(units, now) and not share.holds(units, now) for share, units in needs)
        if closed and (refusal := self._refusal(needs, now)):
            raise refusal
        future: asyncio.Future[Hold] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(needs, future))
        self._work_on()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                future.result().settle(0, False)
            raise

    def headers(self, caller: Caller, model: str) -> dict[str, str]:
        """OpenAI's ``x-ratelimit-*`` headers, of the limit that is nearest to its end; none where nothing limits."""
        return headers.of(self._applying(caller, model), self._clock()) if self._book else {}

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
            share = self._shares[key] = Share(key, Window(allowed), self._corrections.append)
        share.window.allowed = allowed
        return share

    def _forget(self, book: Book) -> None:
        """Look everything up again, and let go of the shares of limits that are no more."""
        standing = {limit.id for limits in book.values() for limit in limits.values()}
        self._shares = {key: share for key, share in self._shares.items() if key.limit_id in standing}
        self._found.clear()
        self._known = book

    def _take(self, needs: Needs, now: float) -> Hold:
        hold = Hold(tuple(Taken(share, units, share.take(units)) for share, units in needs), self._clock)
        for share, _ in needs:
            if share.low(now):
                self._low.add(share)
                self._work_on()
        return hold

    def _work_on(self) -> None:
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        """Exchange after exchange, as long as anybody waits for one."""
        while self._waiting or self._low:
            waiters, self._waiting = [one for one in self._waiting if not one.future.done()], []
            wanted = self._wanted(waiters)
            try:
                await self._lease(wanted)
            except Exception as error:
                _log.warning("limits.unknown", error=type(error).__name__)
                for waiter in waiters:
                    if not waiter.future.done():
                        waiter.future.set_exception(_unknown())
            else:
                self._serve(waiters, wanted)

    def _wanted(self, waiters: Sequence[_Waiter]) -> dict[Share, list[int]]:
        """The needs of those who wait, of each share that has not enough for them; and the shares that are low."""
        needed: dict[Share, list[int]] = {}
        for waiter in waiters:
            for share, units in waiter.needs:
                needed.setdefault(share, []).append(units)
        now = self._clock()
        wanted = {share: needs for share, needs in needed.items() if not share.holds(sum(needs), now)}
        for share in self._low:
            wanted.setdefault(share, [])
        self._low.clear()
        return wanted

    async def _lease(self, wanted: Mapping[Share, Sequence[int]]) -> None:
        """One exchange. Raises what the database raises."""
        asked = self._clock()
        wants = {share.key: share.want(tuple(needs), asked) for share, needs in wanted.items()}
        try:
            leases = await asyncio.to_thread(self._exchange, wants)
        finally:
            for share in wanted:
                share.asking = False
        now = self._clock()
        for share, needs in wanted.items():
            share.receive(leases.get(share.key), needs, asked, now)
            asyncio.get_running_loop().call_later(LEASE_S, self._expire, share)

    def _serve(self, waiters: Sequence[_Waiter], asked: Collection[Share]) -> None:
        """Those who waited take what was leased for them, in the order they came, before anybody else can.

        Who is short of a share that had enough before the exchange, but was spent by others since, waits once more.
        """
        now = self._clock()
        for waiter in waiters:
            if waiter.future.done():
                continue
            if all(share.holds(units, now) for share, units in waiter.needs):
                waiter.future.set_result(self._take(waiter.needs, now))
                continue
            answered = all(share in asked or share.holds(units, now) for share, units in waiter.needs)
            refusal = self._refusal(waiter.needs, now) if answered else None
            if refusal is None and waiter.turns < _TURNS:
                waiter.turns += 1
                self._waiting.append(waiter)
            else:
                waiter.future.set_exception(refusal or _unknown())

    def _expire(self, share: Share) -> None:
        share.expire(self._clock())

    def _exchange(self, wants: Mapping[WindowKey, Want]) -> dict[WindowKey, Lease]:
        """One transaction. Any thread may be here, several at once too."""
        merged: Counter[tuple[WindowKey, int]] = Counter()
        with contextlib.suppress(IndexError):
            while True:
                each = self._corrections.popleft()
                merged[each.key, each.second] += each.units
        corrections = [Correction(key, second, units) for (key, second), units in merged.items() if units]
        try:
            with self._database.write() as tx:
                return exchange(tx, wants, corrections, self._database_clock)
        except BaseException:
            self._corrections.extend(corrections)
            raise

    def _refusal(self, needs: Needs, now: float) -> RateLimited | None:
        """Why a request is refused, and until when. None if there is room, and only its lease came too late."""
        short = [(share, units) for share, units in needs if not share.holds(units, now)]
        share, units = max(short, key=lambda one: one[0].opens_s(one[1], now))
        if not (opens_s := share.opens_s(units, now)):
            return None
        wait_s = max(1, math.ceil(opens_s))
        unit = share.key.unit
        self.refusals[f"{unit}_per_minute"] += 1
        return RateLimited(
            f"The limit of {share.window.allowed} {unit} a minute is reached: {share.remaining(now)} are left, and "
            f"this request takes {units}. Try again in {wait_s} s.",
            code="rate_limit_exceeded",
            retry_after_s=wait_s,
        )


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


def _unknown() -> Unavailable:
    return Unavailable(
        "The database, which counts what your limits leave, cannot be reached just now. Try again shortly.",
        code="limits_unknown",
        retry_after_s=2,
    )
