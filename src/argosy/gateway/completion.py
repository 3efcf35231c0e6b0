"""The story of one completion: admission, routing, an intent on disk, the relay, and one outcome for every ending."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar

import msgspec

from argosy.billing import Intent, Journal
from argosy.core import ArgosyError, Invalid, NotFound, RateLimited, now, now_us
from argosy.gateway.admission import Admission
from argosy.gateway.answers import called_events, closing_event, fold
from argosy.gateway.cache import AnswerCache, CacheModes, Saving, look
from argosy.gateway.capacity import Granting
from argosy.gateway.capture import Capture
from argosy.gateway.counting import Counting
from argosy.gateway.dispatch import Dispatch, Send
from argosy.gateway.events import DONE, write_event
from argosy.gateway.funds import Purses
from argosy.gateway.funds.counted import WorstCase
from argosy.gateway.limits import RateLimits
from argosy.gateway.metering import Meter, Part, Usage
from argosy.gateway.pieces import brought
from argosy.gateway.plan import Served
from argosy.gateway.refresh import Refresher
from argosy.gateway.relay import Deadlines, Relay
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer, RouteTable, check_kind
from argosy.gateway.telemetry.numbers import Numbers
from argosy.gateway.telemetry.status import Status, read_status
from argosy.gateway.telemetry.tracing import Passing, Tracing
from argosy.gateway.trip import Call
from argosy.identity import Caller, KeyRing
from argosy.runtime import Database, Vault
from argosy.serving import Route

T = TypeVar("T")


class Gateway:
    """The data plane of one API process."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        journal: Journal,
        *,
        table: RouteTable | None = None,
        deadlines: Deadlines | None = None,
        vault: Vault | None = None,
        tracing: Tracing | None = None,
        cache: AnswerCache | None = None,
        capture: Capture | None = None,
    ) -> None:
        deadlines = deadlines or Deadlines()
        self._table = table or RouteTable(database, vault=vault)
        self._journal = journal
        self._relay = Relay(deadlines)
        self.admission, self.limits = Admission(), RateLimits(database)
        self.purses = Purses(database, journal.folder.name, lambda: journal.unshipped)
        self.numbers, self.tracing = Numbers(), tracing or Passing()
        self.cache, self._cache_modes = cache, CacheModes(database)
        self.capture = capture
        self._dispatch = Dispatch(self._table, self._relay, deadlines, self.admission, self.numbers.attempts)
        self.counting = Counting(self._table, self._relay, self.limits, deadlines)
        self._worst = WorstCase(self._table, self.counting)
        parts = (keys, self._table, self.limits, self.purses, self._cache_modes, Granting(database))
        kept = [each.refresh for each in parts]
        if capture:
            kept.append(capture.settings.refresh)
        self._refresher = Refresher(kept)
        self.tokens: Counter[str] = Counter()
        """Tokens of all outcomes so far, by kind: prompt, cached, completion."""
        self.outcomes: Counter[str] = Counter()
        """Requests that were dispatched, by how they ended."""
        self.resumed = 0
        """Answers that were cut and carried on."""

    async def start(self) -> None:
        """Load the configuration and open the connection pool. Raises what the database raises."""
        await asyncio.to_thread(self._refresher.start)
        await self._relay.start()

    async def stop(self) -> None:
        """Close what `start` opened. Requests still in flight end as if their engine were lost."""
        await asyncio.to_thread(self._refresher.stop)
        if self.cache:
            await asyncio.to_thread(self.cache.stop)
        if self.capture:
            await asyncio.to_thread(self.capture.stop)
        await self._relay.stop()
        await self.limits.stop()
        await self.purses.stop()

    def refresh(self) -> None:
        """Load a changed configuration now, rather than within a quarter of a second."""
        self._refresher.refresh()

    def models(self, project_id: str) -> list[Route]:
        """The models that a project may use now, by name."""
        return self._table.models(project_id)

    def limit_headers(self, caller: Caller, model: str) -> dict[str, str]:
        """What to tell a caller of its limits at a model; nothing where it has none."""
        return self.limits.headers(caller, self._table.resolve(caller.project_id, model))

    def status(self, project_id: str) -> Status:
        """How it does now, its models by the names that the project may know."""
        found = read_status(self.numbers, self._table, self._dispatch, self._journal, project_id)
        found.outcomes, found.resumed = dict(self.outcomes), self.resumed
        return found

    async def answer(self, request: Request, caller: Caller, request_id: str, served: Served | None = None) -> bytes:
        """The whole answer as JSON. Cancelling it tells the engine to stop. Raises the errors of `argosy.core`.

        ``served`` is told who answered.
        """
        call = await self._admitted(request, caller, request_id, served)
        return await self._answered(call)

    async def _answered(self, call: Call) -> bytes:
        body = await self._settled(call, lambda: self._whole(call))
        if call.request.capture and self.capture:
            self.capture.keep(call, body)
        return body

    async def _whole(self, call: Call) -> bytes:
        saving = await self._look(call)
        if saving and saving.found:
            return await saving.whole()
        if call.request.parts == 1:
            body = await self._dispatch.collect(call, 0)
        else:
            parts = range(call.request.parts)
            bodies = await together(self._dispatch.collect(call, part) for part in parts)
            body = fold(bodies, call.meter.totals()[0])
        if saving:
            saving.keep(body)
        return body

    async def stream(
        self, request: Request, caller: Caller, request_id: str, send: Send, served: Served | None = None
    ) -> None:
        """Give the answer to ``send`` as server-sent events, as it comes. Cancelling it tells the engine to stop.

        Raises the errors of `argosy.core`, before the first ``send`` as well as after.
        """
        call = await self._admitted(request, caller, request_id, served)
        if call.request.call:
            await send(called_events(await self._answered(call), request.include_usage))
            return
        if not (request.capture and self.capture):
            return await self._settled(call, lambda: self._streamed(call, send))
        heard = self.capture.listen()
        await self._settled(call, lambda: self._streamed(call, heard.listening(send)))
        self.capture.keep(call, heard)

    async def _streamed(self, call: Call, send: Send) -> None:
        saving = await self._look(call)
        if saving and saving.found:
            return await saving.stream(send)
        out = saving.listening(send) if saving else send
        if call.request.parts == 1:
            await self._dispatch.pass_on(call, 0, out)
        else:
            await self._pass_on_all(call, out)
        if saving:
            saving.keep()

    async def _look(self, call: Call) -> Saving | None:
        return await look(self.cache, self._cache_modes, self._table, call) if self.cache else None

    async def _pass_on_all(self, call: Call, send: Send) -> None:
        """Several parts at once, their events mixed as they come, then the usage of all."""
        await together(self._dispatch.pass_on(call, part, send) for part in range(call.request.parts))
        if call.request.include_usage:
            usage, _ = call.meter.totals()
            await send(write_event(closing_event(call.request, call.id, now(), usage)))
        call.meter.settle("complete")
        await send(DONE)

    async def _admitted(self, request: Request, caller: Caller, request_id: str, served: Served | None) -> Call:
        """Admit, take from the caller's limits what the request is going to use, and hold what it may cost.

        Raises RateLimited, OverBudget and Unpaid too.
        """
        call = await self._known(request, caller, request_id, served or Served())
        if units := await self.limits.reserve(caller, call.request):
            call.meter.used = units.settle
        try:
            worst, counted = partial(self._worst.bound, call), partial(self._worst.counted, call)
            money = await self.purses.reserve(caller, call.plan.models[0], worst, counted)
        except BaseException:
            if units:
                units.settle(0, call.served.counted)
            raise
        if money:
            call.meter.hold(money, self._table.price)
        return call

    async def _known(self, request: Request, caller: Caller, request_id: str, served: Served) -> Call:
        """Admit, looking once more for a name that is newer than what is in memory, such as a job's new model."""
        try:
            return self._admit(request, caller, request_id, served)
        except NotFound:
            # Whether or not this finds a change: the refresher may have found it a moment ago, after we had looked.
            with contextlib.suppress(Exception):  # the refresher reports an outage; what is in memory still answers
                await asyncio.to_thread(self._table.refresh)
        return self._admit(request, caller, request_id, served)

    def _admit(self, request: Request, caller: Caller, request_id: str, served: Served) -> Call:
        """Check that the model is there for this caller, and of the right kind.

        Raises NotFound, Invalid, and Unavailable without a price.
        """
        asked = request.model
        if (meant := self._table.resolve(caller.project_id, request.model)) != request.model:
            request = request.named(meant)
        plan = self._table.plan(request, caller)
        offer = self._table.find(caller.project_id, plan.models[0])
        check_kind(request, offer.route.modality)
        if request.call and self._table.take_tools(caller.project_id, plan.models):
            request = msgspec.structs.replace(request, call=None)
        served.asked, served.route, served.led_to = asked, plan.route, offer.route
        parts = [Part()] if request.parts == 1 else [Part() for _ in range(request.parts)]
        intent = _intent(request, caller, request_id, offer, plan.route)
        meter = Meter(self._journal, intent, parts, request.n, partial(self._ended, served), granted=caller.discount)
        return Call(request_id, caller.project_id, request, meter, plan, served)

    async def _settled(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        """Write the intent, do the work, and write its outcome whichever way it ends."""
        try:
            await call.meter.begin()
            result = await work()
        except asyncio.CancelledError:
            call.meter.settle("client_gone")
            raise
        except ArgosyError as error:
            call.meter.settle("refused" if isinstance(error, Invalid | RateLimited) else "upstream_cut")
            raise
        except BaseException:
            call.meter.settle("failed")
            raise
        finally:
            self.resumed += call.served.resumed
        call.meter.settle("complete")
        return result

    def _ended(self, served: Served, outcome: str, usage: Usage, estimated: bool) -> None:
        served.outcome, served.usage, served.estimated = outcome, usage, estimated
        self.outcomes[outcome] += 1
        self.tokens["prompt"] += usage.prompt
        self.tokens["cached"] += usage.cached
        self.tokens["completion"] += usage.completion


def _intent(request: Request, caller: Caller, request_id: str, offer: Offer, route: str) -> Intent:
    return Intent(
        id=request_id,
        project_id=caller.project_id,
        key_id=caller.key_id,
        kind=request.wire or request.kind.value,
        model=offer.route.model,
        base_model=offer.route.base_model,
        price_version=offer.price_version or "",
        prompt_estimate=request.prompt_estimate,
        started_us=now_us(),
        route=route,
        discount=offer.discount(caller.discount, caller.batch_id),
        batch_id=caller.batch_id,
        cost_version=offer.cost_version,
        tags=request.tags,
        measured=offer.counted,
        measured_units=brought(request, offer.counted),
    )


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order. The first failure, or being cancelled, ends all of them before it is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
