"""Where requests get their units: from the leases in hand, or by waiting for the next exchange with the database.

All that cannot be served from memory wait for one exchange together, which is one transaction for all limits.
"""

import asyncio
import contextlib
import math
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from argosy.core import RateLimited, Unavailable
from argosy.gateway.limits.hold import Clock, Hold, Taken
from argosy.gateway.limits.share import Share
from argosy.gateway.limits.store import Clock as DatabaseClock
from argosy.gateway.limits.store import Correction, Lease, Want, WindowKey, exchange
from argosy.gateway.limits.window import LEASE_S
from argosy.runtime import Database

_log = structlog.get_logger()
_TURNS = 3
"""Exchanges that a request waits for at most, where they took so long that what they gave came too late."""

Needs = Sequence[tuple[Share, int]]
"""Units that a request takes of each share."""


@dataclass(slots=True)
class _Waiter:
    """A request that waits for the next exchange."""

    needs: Needs
    future: "asyncio.Future[Hold]"
    turns: int = 1


class Exchanger:
    """`flush` and `correct` may be called from any thread, everything else from the loop's."""

    def __init__(self, database: Database, clock: Clock, database_clock: DatabaseClock) -> None:
        self._database, self.clock, self._database_clock = database, clock, database_clock
        self._corrections: deque[Correction] = deque()
        self.correct = self._corrections.append
        """Takes what is to be counted with the next exchange."""
        self._waiting: list[_Waiter] = []
        self._low: set[Share] = set()
        self._exchanging: asyncio.Task[None] | None = None
        self.refusals: Counter[str] = Counter()
        """Requests that were refused: ``requests_per_minute`` or ``tokens_per_minute``."""

    async def take(self, needs: Needs) -> Hold:
        """Everything that a request needs, or nothing. Raises RateLimited, and Unavailable without the database."""
        now = self.clock()
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

    def flush(self) -> None:
        """Write what is to be counted. Raises what the database raises; then it is written later."""
        if self._corrections:
            self._exchange({})

    async def stop(self) -> None:
        """Wait for an exchange that is under way."""
        if self._exchanging is not None:
            await asyncio.wait([self._exchanging])

    def _take(self, needs: Needs, now: float) -> Hold:
        hold = Hold(tuple(Taken(share, units, share.take(units)) for share, units in needs), self.clock)
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
                if wanted:
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
        now = self.clock()
        wanted = {share: needs for share, needs in needed.items() if not share.holds(sum(needs), now)}
        for share in self._low:
            wanted.setdefault(share, [])
        self._low.clear()
        return wanted

    async def _lease(self, wanted: Mapping[Share, Sequence[int]]) -> None:
        """One exchange. Raises what the database raises."""
        asked = self.clock()
        wants = {share.key: share.want(tuple(needs), asked) for share, needs in wanted.items()}
        try:
            leases = await asyncio.to_thread(self._exchange, wants)
        finally:
            for share in wanted:
                share.asking = False
        now = self.clock()
        for share, needs in wanted.items():
            share.receive(leases.get(share.key), needs, asked, now)
            asyncio.get_running_loop().call_later(LEASE_S, self._expire, share)

    def _serve(self, waiters: Sequence[_Waiter], asked: Collection[Share]) -> None:
        """Those who waited take what was leased for them, in the order they came, before anybody else can.

        Who is short of a share that had enough before the exchange, but was spent by others since, waits once more.
        """
        now = self.clock()
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
        share.expire(self.clock())

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


def _unknown() -> Unavailable:
    return Unavailable(
        "The database, which counts what your limits leave, cannot be reached just now. Try again shortly.",
        code="limits_unknown",
        retry_after_s=2,
    )
