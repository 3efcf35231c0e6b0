"""One run of an engine for one part of a request: find a replica, wait for it to restart, try again if safe."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from argosy.core import Unavailable, UpstreamFailed
from argosy.gateway.admission import Admission, Slot
from argosy.gateway.answers import shape_of, whole
from argosy.gateway.events import EventStream
from argosy.gateway.metering import Meter
from argosy.gateway.relay import Deadlines, Lost, NotReached, Relay
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer, RouteTable
from argosy.serving import Route

Send = Callable[[bytes], Awaitable[None]]
T = TypeVar("T")

LOSSES_LIMIT = 2
"""Runs that may be lost to dying engines before the request itself is the suspect."""


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request on its way."""

    id: str
    project_id: str
    request: Request
    meter: Meter


class Dispatch:
    """Runs parts. All of its methods raise the errors of `argosy.core`."""

    def __init__(self, table: RouteTable, relay: Relay, deadlines: Deadlines, admission: Admission) -> None:
        self._table, self._relay, self._deadlines, self._admission = table, relay, deadlines, admission

    async def collect(self, call: Call, index: int) -> bytes:
        """The whole answer of a part, as the client may see it."""

        async def attempt(response: aiohttp.ClientResponse) -> bytes:
            body, usage = whole(await response.read(), call.request, call.id, index)
            call.meter.parts[index].usage = usage
            await call.meter.safe()
            return body

        return await self._run(call, index, attempt)

    async def pass_on(self, call: Call, index: int, send: Send) -> None:
        """Give the events of a part to ``send`` as they come."""
        meter, part = call.meter, call.meter.parts[index]

        async def attempt(response: aiohttp.ClientResponse) -> None:
            events = EventStream(part, shape_of(call.request, call.id, index))
            async for data in response.content.iter_any():
                if ready := events.feed(data):
                    if not part.begun:
                        await meter.safe()
                        part.begun = True
                    meter.count(part, events.tokens)
                    if events.done and call.request.parts == 1:
                        meter.settle("complete")
                    await send(ready)
            if not events.done:
                raise Lost

        await self._run(call, index, attempt)

    async def _run(self, call: Call, index: int, attempt: Callable[[aiohttp.ClientResponse], Awaitable[T]]) -> T:
        until = asyncio.get_running_loop().time() + self._deadlines.replica
        losses = 0
        while True:
            offer = self._table.find(call.project_id, call.request.model)
            if offer.ready:
                try:
                    async with self._place(call, offer.route, index):
                        call.meter.dispatched = True
                        async with self._posted(call.request, offer, index) as response:
                            return await attempt(response)
                except NotReached:
                    pass
                except Lost:
                    losses += 1
                    _check_loss(begun=call.meter.parts[index].begun, losses=losses)
            else:
                await self._table.demand(offer.route.base_model)
            if asyncio.get_running_loop().time() >= until:
                raise _unreached(call.request.model, offer)
            await asyncio.sleep(self._deadlines.poll)

    def _place(self, call: Call, route: Route, index: int) -> Slot:
        """A place among the requests that this target works on. What was let in once is not sent away later."""
        firm = index > 0 or call.meter.dispatched
        if provider := route.provider:
            target, cap = f"provider {provider.name}", provider.in_flight_max or 0
        else:
            target, cap = route.replica_id, route.slots
        return self._admission.slot(target, cap, call.project_id, batch=call.request.batch, firm=firm)

    def _posted(
        self, request: Request, offer: Offer, index: int
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        route = offer.route
        if route.provider:
            url = route.url + request.kind.path.removeprefix("/v1")
            body = request.provider_body(route.provider_model, index)
            return self._relay.post_provider(route.provider, url, body, offer.headers)
        return self._relay.post(route.url + request.kind.path, request.upstream_body(offer.members, index))


def _unreached(model: str, offer: Offer) -> Unavailable:
    if offer.route.provider:
        return Unavailable(
            f"The provider '{offer.route.provider.name}', which answers for '{model}', cannot be reached. Please try "
            "again shortly.",
            code="provider_unreachable",
            retry_after_s=5,
        )
    return Unavailable(
        f"No replica of the model '{model}' is ready. Please try again shortly.",
        code="no_replica_ready",
        retry_after_s=2,
    )


def _check_loss(*, begun: bool, losses: int) -> None:
    """Raise if a lost run must not be repeated."""
    if begun:
        raise UpstreamFailed(
            "The engine went away in the middle of this answer. What was delivered is all there is; please try again.",
            code="upstream_cut",
        )
    if losses >= LOSSES_LIMIT:
        raise UpstreamFailed(
            "The engine went away while it worked on this request, twice. Please try again later.",
            code="engine_lost",
        )
