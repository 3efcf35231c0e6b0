"""The way of one part of a request: which endpoint is next, and whether a failure allows another one.

Invariants: nothing is asked twice that failed at this request, but for an engine that went away and came back; extra
attempts stay within the budget; an answer that has begun is only carried on, by the model that began it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType

import msgspec

from argosy.core import ArgosyError, Invalid, Unavailable, UpstreamFailed
from argosy.gateway.continuation import carried_on, may_be_carried_on, prefilled
from argosy.gateway.health import HealthTable, RetryBudget
from argosy.gateway.metering import Meter, Part
from argosy.gateway.plan import Plan, Served
from argosy.gateway.repetition import Repetition
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer, RouteTable

LOSSES_LIMIT = 2
"""Runs that may be lost to dying engines before the request itself is the suspect."""


_NOBODY: AbstractSet[str] = frozenset()
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Call(msgspec.Struct, frozen=True, eq=False):
    """One admitted request on its way."""

    id: str
    project_id: str
    request: Request
    meter: Meter
    plan: Plan
    served: Served


class Trip(msgspec.Struct, eq=False):
    """What has been tried for one part, and what may still be. Nearly all go well at once: sets are made on failure."""

    call: Call
    index: int
    table: RouteTable
    health: HealthTable
    budget: RetryBudget
    ahead: Callable[[Offer], int]
    """How many would be served before one more there; 0 is room."""
    request: Request
    """As it goes out next: by the name of its target, with what was delivered at its end."""
    trace_headers: Mapping[str, str] = _NO_HEADERS
    """What tells the upstream which trace its attempt is part of."""
    delivered: list[bytes] = []
    """Events that went out to the client, as long as the answer might have to be carried on."""
    _attempts: int = 0
    _losses: int = 0
    _lost_at: AbstractSet[str] = _NOBODY
    _failed: AbstractSet[str] = _NOBODY
    _away: AbstractSet[str] = _NOBODY
    """Endpoints that did not take the connection just now."""
    _was_away: AbstractSet[str] = _NOBODY
    """Those, and the ones that did not some time before."""
    _context: int = 0
    """Tokens of context that were too few."""
    _error: ArgosyError | None = None
    _carrier: str = ""
    """The provider's endpoint that carries on what it began; empty for an engine of ours."""

    @property
    def part(self) -> Part:
        """What was seen of the answer."""
        return self.call.meter.parts[self.index]

    def next(self) -> Offer | None:
        """The best replica of the first target that has one which may be asked now.

        One that this request was lost at is asked again only if there is no other, and one whose circuit is open only
        if those of all others are.
        """
        found = self._best(self._lost_at) or (self._best(_NOBODY) if self._lost_at else None)
        return found if found or self._attempts else self._least_bad()

    def _least_bad(self) -> Offer | None:
        """Where all circuits are open. A provider that is alone is left in peace. An engine of ours is not: it is
        watched as it is, and one caller's requests that it fails on must not shut it for everybody.
        """
        offers = [offer for model in self.call.plan.models for offer in self._offers(model) if self._may_ask(offer)]
        alone = len({offer.endpoint for offer in offers}) < 2
        if alone and any(offer.route.provider for offer in offers):
            return None
        return self.health.least_bad(offers, _endpoint)

    def _best(self, avoided: AbstractSet[str]) -> Offer | None:
        for model in self.call.plan.models:
            offers = [offer for offer in self._offers(model) if self._may_ask(offer) and offer.endpoint not in avoided]
            if best := self.health.best(offers, _endpoint, self.ahead):
                return best
        return None

    def _offers(self, model: str) -> Sequence[Offer]:
        return self.table.offers(self.call.project_id, model)

    def _may_ask(self, offer: Offer) -> bool:
        if not offer.ready or offer.endpoint in self._failed or offer.endpoint in self._away:
            return False
        if self.part.begun and (offer.route.model != self.request.model or _provided(offer) != self._carrier):
            return False
        return not self._context or offer.route.context_length == 0 or offer.route.context_length > self._context

    def allow(self, offer: Offer) -> None:
        """Raises what went wrong before, if the offer would be one attempt too many."""
        another = self._attempts > 0 and offer.endpoint not in self._was_away
        if another and (self._attempts >= self.call.plan.attempts or not self.budget.spend()):
            raise self._error or self.unreached()

    def begin(self, offer: Offer) -> None:
        """The offer is asked now."""
        self._attempts += offer.endpoint not in self._was_away
        call = self.call
        call.meter.dispatched = True
        self.part.answered_by = offer.identity
        call.meter.target, call.meter.version = offer.target, offer.route.version
        call.meter.attempts = call.served.attempts = max(call.meter.attempts, self._attempts)
        if call.served.target != offer.route.model:
            call.served.target = offer.route.model
            call.meter.move(offer, call.request)
        if call.request.call:
            native = offer.route.provider is not None
            self.request = (call.request.for_native_tools() if native else call.request).named(offer.route.model)
        elif self.request.model != offer.route.model:
            self.request = self.request.named(offer.route.model)

    def not_reached(self, offer: Offer) -> None:
        """It did not take the request: others are asked, and later it again, which costs nobody anything."""
        if offer.endpoint in self._lost_at and offer.endpoint not in self._was_away:
            self._attempts -= 1  # it is still gone
        self._away |= {offer.endpoint}
        self._was_away |= {offer.endpoint}

    def look_again(self) -> None:
        """A moment has passed: who was away may be back."""
        self._away = _NOBODY

    def waiting_for(self) -> Iterator[Offer]:
        """Those that may answer later: engines that are starting, and whoever was away just now."""
        for model in self.call.plan.models:
            for offer in self._offers(model):
                waits = offer.route.provider is None or offer.endpoint in self._was_away
                if waits and offer.endpoint not in self._failed and not self._context:
                    yield offer

    def lost(self, offer: Offer) -> None:
        """It took the request and went away. Raises if that is to be the end."""
        self._losses += 1
        self._lost_at |= {offer.endpoint}
        error = self._broke() if self.part.begun else _lost_twice()
        if self._losses >= LOSSES_LIMIT and not (self.part.begun and offer.route.provider):
            raise error
        self._carry_on(offer, error)

    def failed(self, offer: Offer, error: ArgosyError) -> None:
        """It answered with a failure, or too late. Raises if that is to be the end."""
        self._failed |= {offer.endpoint}
        self._error = self._broke() if self.part.resumed else error
        self._carry_on(offer, self._error)

    def too_long(self, offer: Offer, error: Invalid) -> None:
        """The prompt is longer than it can read; another target may have more room."""
        self._context, self._error = max(1, offer.route.context_length), error
        self._failed |= {offer.endpoint}

    def _carry_on(self, offer: Offer, error: ArgosyError) -> None:
        """Once something was delivered, the next run says what is left. Raises ``error`` if it cannot."""
        part = self.part
        if not part.begun:
            return
        rest = self._rest(offer) if may_be_carried_on(self.call.request) else None
        if rest is None:
            raise error
        self.request = rest.named(offer.route.model)
        self._error = error
        part.resumed, part.delivered_before, part.usage = True, part.delivered, None
        self.call.served.resumed += 1

    def _broke(self) -> ArgosyError:
        """What is told of a broken answer: why it broke first, and not why the rest was not to be had."""
        return self._error if self.part.resumed and self._error else _cut()

    def _rest(self, offer: Offer) -> Request | None:
        request, provider = self.call.request, offer.route.provider
        if provider is None:
            return carried_on(request, self.delivered, self.part.delivered)
        found = prefilled(request, self.delivered, self.part.delivered, provider.prefill)
        if found is None:
            return None
        rest, said = found
        self.part.repetition = Repetition(said, self.health[offer.endpoint])
        self._carrier = offer.endpoint
        self._failed -= {offer.endpoint}  # it alone can go on
        return rest

    def given_up(self) -> ArgosyError:
        """Why nothing more can be tried."""
        if self._error:
            return self._error
        at = self.health.clock()
        waits = [
            self.health[offer.endpoint].open_until - at
            for model in self.call.plan.models
            for offer in self._offers(model)
            if offer.endpoint
        ]
        return Unavailable(
            f"Nothing that answers for '{self.call.request.model}' works just now. Please try again shortly.",
            code="no_target_available",
            retry_after_s=max(1, math.ceil(min(waits, default=1.0))),
        )

    def unreached(self) -> ArgosyError:
        """Nobody was there in time."""
        if self._error:
            return self._error
        names = {
            offer.route.provider.name
            for model in self.call.plan.models
            for offer in self._offers(model)
            if offer.route.provider
        }
        if names:
            return Unavailable(
                f"The provider '{min(names)}', which answers for '{self.call.request.model}', cannot be reached. "
                "Please try again shortly.",
                code="provider_unreachable",
                retry_after_s=5,
            )
        return Unavailable(
            f"No replica of the model '{self.call.request.model}' is ready. Please try again shortly.",
            code="no_replica_ready",
            retry_after_s=2,
        )


def _endpoint(offer: Offer) -> str:
    return offer.endpoint


def _provided(offer: Offer) -> str:
    return offer.endpoint if offer.route.provider else ""


def _cut() -> UpstreamFailed:
    return UpstreamFailed(
        "The engine went away in the middle of this answer. What was delivered is all there is; please try again.",
        code="upstream_cut",
    )


def _lost_twice() -> UpstreamFailed:
    return UpstreamFailed(
        "The engine went away while it worked on this request, twice. Please try again later.", code="engine_lost"
    )
