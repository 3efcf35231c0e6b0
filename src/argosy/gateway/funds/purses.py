"""All purses of one API process: who may spend what, holds out of memory, and one exchange for all that must wait."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from argosy.billing.funds import Fund, Payer, all_hard_funds, applying
from argosy.billing.funds.leases import BEAT_S, TTL_S, Given, beat, exchange
from argosy.core import ArgosyError, OverBudget, RateLimited, Unavailable, Unpaid
from argosy.gateway.funds.hold import Hold
from argosy.gateway.funds.observer import Observer
from argosy.gateway.funds.purse import Purse
from argosy.gateway.funds.refusals import over_budget, unpaid
from argosy.identity import Caller
from argosy.runtime import Database, read_version

_log = structlog.get_logger()
WAIT_S = 10.0
"""How long a request waits for money that others hold and may give back."""
_PAUSE_S = 0.05
"""Between two looks of those who wait."""
_TIDY_S = 0.5
_FOUND_KEPT = 10_000


@dataclass(slots=True)
class _Applying:
    """The funds that one caller's requests of one model are of."""

    budgets: Sequence[Purse]
    prepaid: Sequence[Purse]
    """The narrowest first."""
    prepaid_only: bool
    """Whether nothing is served that was not paid ahead."""


class _Short(Exception):
    """A purse has too little for this amount, and will have too little when all that is held came back."""

    def __init__(self, purse: Purse, amount: int) -> None:
        super().__init__()
        self.purse, self.amount = purse, amount


@dataclass(slots=True, eq=False)
class _Waiter:
    purses: Sequence[Purse]
    amount: int
    future: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    served: bool = False


class Purses:
    """`refresh` is for one other thread, everything else for the loop's."""

    def __init__(
        self,
        database: Database,
        holder: str,
        unposted: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``holder`` is the name that leases are under; ``unposted`` says how many charges wait to be posted."""
        self._database, self._holder, self._unposted, self._clock = database, holder, unposted, clock
        self._version = -1
        self._book: Mapping[str, Sequence[Fund]] = {}
        self._known: Mapping[str, Sequence[Fund]] = {}
        self._purses: dict[str, Purse] = {}
        self._found: dict[tuple[str, str, str, str], _Applying] = {}
        self._waiting: list[_Waiter] = []
        self._restless: set[Purse] = set()
        """Purses that want an exchange though nobody waits."""
        self._exchanging: asyncio.Task[None] | None = None
        self._tidying: asyncio.TimerHandle | None = None
        self._beaten = clock()
        self._observer = Observer(holder, clock)
        self.refusals: Counter[str] = Counter()
        """Requests that were refused, by what had too little: ``budget`` or ``prepaid``."""

    def refresh(self) -> bool:
        """Load funds that were changed, and say that this process is there. Says whether any were loaded."""
        if self._purses and self._clock() - self._beaten >= BEAT_S:
            with self._database.write() as tx:
                beat(tx, self._holder)
            self._beaten = self._clock()
        self._observer.look(self._database)
        with self._database.read() as tx:
            version = read_version(tx)  # first: a change between the reads is then loaded once more, never missed
            if version == self._version:
                return False
            found = all_hard_funds(tx)
        book: dict[str, list[Fund]] = {}
        for fund in found:
            book.setdefault(fund.organization_id, []).append(fund)
        self._book, self._version = book, version
        return True

    async def stop(self) -> None:
        """Give back all that is at hand, as far as the database can be reached; if not, its recovery does the same."""
        if self._tidying:
            self._tidying.cancel()
        if self._exchanging is not None:
            await asyncio.wait([self._exchanging])
        self._restless = {purse for purse in self._purses.values() if purse.at_hand > 0}
        for purse in self._restless:
            purse.used_at = -math.inf
        with contextlib.suppress(Exception):
            await self._exchange([])

    async def reserve(
        self,
        caller: Caller,
        model: str,
        worst: Callable[[], int],
        closer: Callable[[int], Awaitable[int | None]] | None = None,
    ) -> Hold | None:
        """Hold what a request costs at most, ``worst`` in micro-units. None where it is of no fund.

        Before it is refused for money, ``closer`` is told how much can be had, and may know a lower bound to try.

        Raises OverBudget or Unpaid if that much is not there, RateLimited if it may be once others are done,
        Unavailable if the database cannot say.
        """
        if not self._book and not self._known:
            return None
        applying = self._applying(caller, model)
        if applying is None:
            return None
        try:
            return await self._held(applying, worst())
        except _Short as short:
            lower = await closer(short.purse.most) if closer else None
            if lower is None or lower >= short.amount:
                raise self._refusal(short) from None
        try:
            return await self._held(applying, lower)
        except _Short as short:
            raise self._refusal(short) from None

    async def _held(self, applying: _Applying, amount: int) -> Hold | None:
        """So much, held of all purses that it is of. Raises _Short, and what `reserve` raises."""
        began = self._clock()
        while amount:
            now = self._clock()
            purses, fund = self._chosen(applying, amount, now)
            if not purses:
                return None
            if all(purse.at_hand >= amount and not purse.waiting for purse in purses) and self._alive(now):
                return self._take(purses, amount, fund)
            if await self._waited(purses, amount):
                return self._hold(purses, amount, fund)
            if self._clock() - began > WAIT_S:
                raise _busy()
            if self._chosen(applying, amount, self._clock())[1] == fund:  # another one may pay at once
                await asyncio.sleep(_PAUSE_S)
        return None

    def _chosen(self, applying: _Applying, amount: int, now: float) -> tuple[Sequence[Purse], str]:
        """The purses that must hold it, and which of them pays. Raises _Short."""
        for purse in applying.budgets:
            if purse.hopeless(amount, now):
                raise _Short(purse, amount)
        budgets = [purse for purse in applying.budgets if not purse.gone]
        for purse in applying.prepaid:
            last = applying.prepaid_only and purse is applying.prepaid[-1]  # there is none to pay in its place
            if not (purse.gone or purse.hopeless(amount, now) if last else purse.short(amount, now)):
                return [*budgets, purse], purse.fund.id
        if applying.prepaid_only and applying.prepaid:
            raise _Short(applying.prepaid[-1], amount)
        return budgets, ""

    def _refusal(self, short: _Short) -> OverBudget | Unpaid:
        """What the caller is told; it is counted."""
        self.refusals[short.purse.fund.kind] += 1
        refusal = over_budget if short.purse.fund.kind == "budget" else unpaid
        return refusal(short.purse, short.amount)

    def _take(self, purses: Sequence[Purse], amount: int, fund: str) -> Hold:
        now = self._clock()
        for purse in purses:
            purse.take(amount, now)
            if purse.low:
                self._restless.add(purse)
                self._work_on()
        return self._hold(purses, amount, fund)

    def _hold(self, purses: Sequence[Purse], amount: int, fund: str) -> Hold:
        self._tidy_later()
        return Hold(purses, amount, fund, self._settle)

    def _settle(self, purses: Sequence[Purse], amount: int, charged: int) -> None:
        now = self._clock()
        for purse in purses:
            purse.settle(amount, charged, now)
            if purse.at_hand < 0 or (purse.tight and not purse.waiting):
                self._restless.add(purse)
        if self._restless:
            self._work_on()

    async def _waited(self, purses: Sequence[Purse], amount: int) -> bool:
        """Wait for the next exchange; says whether it brought what is needed, held then. Raises Unavailable."""
        waiter = _Waiter(purses, amount)
        for purse in purses:
            purse.waiting += 1
        self._waiting.append(waiter)
        self._work_on()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.served:
                self._settle(purses, amount, 0)
            raise
        finally:
            for purse in purses:
                purse.waiting -= 1

    def _work_on(self) -> None:
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        """Exchange after exchange, as long as anybody waits for one."""
        while self._waiting or self._restless:
            waiters, self._waiting = [one for one in self._waiting if not one.future.done()], []
            try:
                await self._exchange(waiters)
            except Exception as error:
                _log.warning("funds.unknown", error=type(error).__name__)
                for waiter in waiters:
                    if not waiter.future.done():
                        waiter.future.set_exception(_unknown())
            else:
                self._serve(waiters)
            self._tidy_later()  # also for what was leased for one who then lacked another purse's money

    async def _exchange(self, waiters: Sequence[_Waiter]) -> None:
        """One transaction for all purses that want one. Raises what the database raises."""
        now = self._clock()
        needs: dict[Purse, list[int]] = {purse: [] for purse in self._restless}
        self._restless.clear()
        for waiter in waiters:
            for purse in waiter.purses:
                needs.setdefault(purse, []).append(waiter.amount)
        unposted = self._unposted()
        wants = {purse: purse.want(amounts, now, unposted=unposted) for purse, amounts in needs.items()}
        asked = {purse.fund.id: want for purse, want in wants.items()}
        happened = False

        def work() -> Mapping[str, Given]:
            nonlocal happened
            with self._database.write() as tx:
                found = exchange(tx, self._holder, asked)
                happened = True
            return found

        try:
            given = await asyncio.to_thread(work)
        except BaseException:
            for purse, want in wants.items():
                purse.failed(want, may_have_happened=happened)
            raise
        self._beaten = now
        for purse, want in wants.items():
            purse.receive(given.get(purse.fund.id), want, self._clock())

    def _serve(self, waiters: Sequence[_Waiter]) -> None:
        """Those who waited take what was leased for them, in the order they came, before anybody else can."""
        now = self._clock()
        for waiter in waiters:
            if waiter.future.done():
                continue
            enough = all(purse.at_hand >= waiter.amount for purse in waiter.purses)
            if enough:
                for purse in waiter.purses:
                    purse.take(waiter.amount, now)
            waiter.served = enough
            waiter.future.set_result(enough)

    def _tidy_later(self) -> None:
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(_TIDY_S, self._tidy)

    def _tidy(self) -> None:
        """Money that nobody needs goes back: others may need it."""
        now = self._clock()
        self._tidying = None
        left = [purse for purse in self._purses.values() if purse.at_hand or purse.held or purse.unsure]
        self._restless |= {purse for purse in left if now - purse.used_at > 1.0 or purse.tight}
        if self._restless:
            self._work_on()
        if left:
            self._tidy_later()

    def _alive(self, now: float) -> bool:
        """Whether others still take this process to be there. If not, its leases may be ended: they are asked for."""
        return now - self._beaten < TTL_S / 2

    def _applying(self, caller: Caller, model: str) -> _Applying | None:
        if self._book is not self._known:
            self._forget()
        if caller.organization_id not in self._known:
            return None
        place = (caller.organization_id, caller.project_id, caller.key_id, model)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= _FOUND_KEPT:
                self._found.clear()
            found = self._found[place] = self._funds_of(caller, model)
        return found

    def _funds_of(self, caller: Caller, model: str) -> _Applying:
        payer = Payer(caller.organization_id, caller.project_id, caller.key_id, model)
        mine = applying(payer, self._known[caller.organization_id])
        return _Applying(list(map(self._purse, mine.budgets)), list(map(self._purse, mine.prepaid)), mine.prepaid_only)

    def _purse(self, fund: Fund) -> Purse:
        return self._purses.setdefault(fund.id, Purse(fund))

    def _forget(self) -> None:
        """Look everything up again. A purse lives on as long as anything is in it or held."""
        self._known = self._book
        standing = {fund.id: fund for funds in self._known.values() for fund in funds}
        for purse in list(self._purses.values()):
            if (fund := standing.get(purse.fund.id)) is not None:
                purse.fund = fund
            elif not purse.held and not purse.at_hand:
                del self._purses[purse.fund.id]
        self._found.clear()


def _busy() -> RateLimited:
    return RateLimited(
        "What is left of the budget is set aside for requests that are under way. Try again in a moment.",
        code="budget_busy",
        retry_after_s=2,
    )


def _unknown() -> ArgosyError:
    return Unavailable(
        "The database, which counts what your budget leaves, cannot be reached just now. Try again shortly.",
        code="budgets_unknown",
        retry_after_s=2,
    )
