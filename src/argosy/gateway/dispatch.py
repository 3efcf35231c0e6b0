"""One run after another for a part of a request, until one has answered: ask, pass on, and go on after a failure.

What may be asked next is the trip's to say (`trip.py`); here are the wire, the deadlines and the waiting.
"""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from argosy.core import ArgosyError, Invalid, RateLimited, Unavailable, UpstreamFailed
from argosy.gateway.admission import Admission, Slot
from argosy.gateway.answers import shape_of, whole
from argosy.gateway.continuation import may_be_carried_on
from argosy.gateway.events import EventStream, first_words
from argosy.gateway.exact import by_tokens
from argosy.gateway.health import HealthTable, RetryBudget
from argosy.gateway.relay import AskedToWait, Deadlines, Lost, NotReached, Relay, Response
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer, RouteTable
from argosy.gateway.telemetry.attempt import Attempted
from argosy.gateway.trip import Call, Trip

Send = Callable[[bytes], Awaitable[None]]
Pulse = Callable[..., None]
"""To be called whenever something has come that the client may see; with False while the client is waited for, when the
engine is not to be blamed for silence.
"""
Attempt = Callable[[Trip, Response, Pulse], Awaitable["T"]]
T = TypeVar("T")


class _NoLimit:
    """In the place of a timeout where there is none: making one costs more than all that is done within it."""

    async def __aenter__(self) -> "_NoLimit":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def reschedule(self, when: float | None) -> None:
        """Nothing ends it."""


_NO_LIMIT = _NoLimit()


class Dispatch:
    """Runs parts. All of its methods raise the errors of `argosy.core`."""

    def __init__(
        self,
        table: RouteTable,
        relay: Relay,
        deadlines: Deadlines,
        admission: Admission,
        attempts: Counter[tuple[str, str]],
    ) -> None:
        """``attempts`` counts them, see `Numbers`."""
        self._table, self._relay, self._deadlines, self._admission = table, relay, deadlines, admission
        self._attempts = attempts
        self._refreshing: asyncio.Future[bool] | None = None
        self.health, self.budget = HealthTable(), RetryBudget()

    async def collect(self, call: Call, index: int) -> bytes:
        """The whole answer of a part, as the client may see it."""

        async def attempt(trip: Trip, response: Response, came: Pulse) -> bytes:
            body, usage = whole(await response.read(), trip.request, call.id, index)
            came()
            call.meter.came()
            call.meter.hear(body)
            trip.part.usage = usage
            trip.part.begun |= usage is None  # it counts as delivered though it has no tokens of its own
            return body

        body = await self._run(call, index, attempt)
        await call.meter.safe()
        return body

    async def pass_on(self, call: Call, index: int, send: Send) -> None:
        """Give the events of a part to ``send`` as they come, from the first that says something on."""
        meter, keeps = call.meter, may_be_carried_on(call.request)

        async def attempt(trip: Trip, response: Response, came: Pulse) -> None:
            part, held = trip.part, b""
            events = EventStream(part, shape_of(trip.request, call.id, index))
            while data := await response.piece():
                ready = held + events.feed(data)
                if not part.begun:
                    events.tokens = first_words(ready, events.tokens)
                    if not (events.tokens or events.done):
                        held = ready  # an opening commits to nothing as long as it is not told
                        continue
                    held = b""
                    await meter.safe()
                    part.begun = True
                    meter.came()
                came(not ready)
                if not ready:
                    continue
                meter.count(part, events.tokens)
                meter.hear(ready)
                if keeps:
                    trip.delivered.append(ready)
                if events.done and call.request.parts == 1:
                    meter.settle("complete")
                await send(ready)
                came()
            if not events.done:
                raise Lost

        await self._run(call, index, attempt)

    async def _run(self, call: Call, index: int, attempt: "Attempt[T]") -> T:
        trip = Trip(call, index, self._table, self.health, self.budget, self._ahead, call.request)
        started = asyncio.get_running_loop().time()
        give_up_at = started + call.plan.patience.total if call.plan.patience else math.inf
        self.budget.request()
        while True:
            if offer := trip.next():
                trip.allow(offer)
                try:
                    async with self._place(trip, offer):
                        trip.begin(offer)
                        with Attempted(self._attempts, trip, offer):
                            return await self._ask(trip, offer, attempt, give_up_at)
                except NotReached:
                    trip.not_reached(offer)
                except Lost:
                    trip.lost(offer)
                except Invalid as error:
                    if trip.part.begun:  # it does not take what was delivered as a beginning
                        raise trip.given_up() from error
                    if error.code != "context_length_exceeded":
                        raise
                    trip.too_long(offer, error)
                except (UpstreamFailed, RateLimited, Unavailable) as error:
                    if call.meter.refused or asyncio.get_running_loop().time() >= give_up_at:
                        raise
                    trip.failed(offer, error)
            else:
                await self._wait(trip, min(started + self._deadlines.replica, give_up_at))

    async def _ask(self, trip: Trip, offer: Offer, attempt: "Attempt[T]", give_up_at: float) -> T:
        """One run, its deadlines, and what it tells of the endpoint's health."""
        clock, patience, health = asyncio.get_running_loop().time, trip.call.plan.patience, self.health[offer.endpoint]
        begun_at, first = clock(), True
        stall = patience.stall if patience else math.inf
        wait = patience.first_token if patience and trip.request.stream else math.inf

        def came(waiting: bool = True) -> None:
            nonlocal first
            if first:
                health.succeeded(trial, clock() - begun_at)
                first = False
            if patience:
                limit.reschedule(min(clock() + stall, give_up_at) if waiting else None)

        trial = health.begin()
        try:
            until = min(begun_at + wait, give_up_at)
            async with asyncio.timeout_at(until) if patience else _NO_LIMIT as limit:
                if trip.part.resumed and not offer.route.provider:
                    trip.request = await by_tokens(self._relay, trip, offer.route.url)
                async with self._posted(trip.request, offer, trip.index, trip.trace_headers) as response:
                    return await attempt(trip, response, came)
        except TimeoutError:
            health.failed(trial, self.health.clock())
            raise _too_late() from None
        except Invalid:
            health.succeeded(trial, clock() - begun_at)
            raise
        except (NotReached, Lost):
            health.failed(trial, self.health.clock())
            raise
        except ArgosyError as error:
            if not trip.call.meter.refused:
                health.failed(trial, self.health.clock(), _retry_after_s(error))
            raise
        finally:
            health.end(trial)

    async def _wait(self, trip: Trip, until: float) -> None:
        """Nobody can be asked just now: wait a moment, if that may help. Raises what went wrong if not."""
        worth = list(trip.waiting_for())
        if not worth:
            raise trip.given_up()
        if asyncio.get_running_loop().time() >= until:
            raise trip.unreached()
        for offer in worth:
            if not offer.ready:
                await self._table.demand(offer.route.base_model)
        await asyncio.sleep(self._deadlines.poll)
        await self._look_again()
        trip.look_again()

    async def _look_again(self) -> None:
        """Read a changed configuration now: who waits for a replica is not to wait for the refresher too."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.ensure_future(asyncio.to_thread(self._table.refresh))
        with contextlib.suppress(Exception):  # the refresher tells of an outage
            await asyncio.shield(self._refreshing)

    def _place(self, trip: Trip, offer: Offer) -> Slot:
        """A place among the requests that this target works on. What was let in once is not sent away later."""
        call, firm = trip.call, trip.index > 0 or trip.call.meter.dispatched
        return self._admission.slot(*_target(offer), call.project_id, batch=call.request.batch, firm=firm)

    def _ahead(self, offer: Offer) -> int:
        """How many would be served before one more at this offer's target."""
        return self._admission.ahead(*_target(offer))

    def _posted(
        self, request: Request, offer: Offer, index: int, trace: Mapping[str, str]
    ) -> contextlib.AbstractAsyncContextManager[Response]:
        route = offer.route
        if route.provider:
            url = route.url + request.kind.path.removeprefix("/v1")
            body = request.provider_body(route.provider_model, index)
            return self._relay.post_provider(route.provider, url, body, {**offer.headers, **trace})
        return self._relay.post(route.url + request.kind.path, request.upstream_body(offer.members, index), trace)


def _target(offer: Offer) -> tuple[str, int]:
    """Whose places an offer's requests take, and how many there are; 0 is without limit."""
    route = offer.route
    if provider := route.provider:
        return f"provider {provider.name}", provider.in_flight_max or 0
    return route.replica_id, route.slots


def _too_late() -> UpstreamFailed:
    return UpstreamFailed("The engine did not answer in time. Please try again.", code="engine_timeout")


def _retry_after_s(error: ArgosyError) -> int | None:
    """What an upstream has said about when to come back."""
    return error.retry_after_s if isinstance(error, AskedToWait | Unavailable) else None
