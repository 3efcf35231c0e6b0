"""The worst case near the end of a budget: by the very tokens of the prompt, where its bytes would be too many.

A token is about four bytes, so the bound that costs nothing asks for four times what a long prompt costs. That much may
be the difference between the last request that fits and a refusal; then it is worth asking the engine.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from argosy.billing import Price
from argosy.core import ArgosyError
from argosy.gateway.counting import Counting
from argosy.gateway.funds.worst import worst_charge
from argosy.gateway.relay import Lost, NotReached
from argosy.gateway.requests import Kind, Request
from argosy.gateway.routing import Offer, RouteTable
from argosy.gateway.trip import Call

_COUNT_S = 5.0
"""How long all counting for one request may take; after that, the bound stands."""
_NOT_TEXT = (b'"image_url"', b'"input_audio"')
"""What a template makes a short mark of, and a model many tokens."""


class WorstCase:
    """What a call may cost at most, in micro-units."""

    def __init__(self, table: RouteTable, counting: Counting) -> None:
        self._table, self._counting = table, counting

    def bound(self, call: Call) -> int:
        """By the size of the request: in memory, for every request."""
        return worst_charge(call.request, self._offers(call))

    async def counted(self, call: Call, room: int) -> int | None:
        """By the tokens of its prompt, when only ``room`` micro-units can be had. None where no engine of ours counts
        them, or where that could not help.

        Should the engine never say what it read, the count is also what is charged: the charge stays within the hold.
        """
        offers = self._offers(call)
        worst = partial(worst_charge, call.request, offers)
        if not _countable(call.request) or worst(1) > room:
            return None
        ours = {offer.identity: offer for offer, _ in offers if not offer.route.provider}
        if not ours or not all(offer.ready for offer in ours.values()):
            return None
        call.served.counted = True
        try:
            async with asyncio.timeout(_COUNT_S):
                found = [await self._counting.by_engine(call.request, offer) for offer in ours.values()]
        except (ArgosyError, NotReached, Lost, TimeoutError):
            return None
        call.meter.intent = msgspec.structs.replace(call.meter.intent, prompt_estimate=max(1, *found))
        return worst(max(found))

    def _offers(self, call: Call) -> Sequence[tuple[Offer, Price]]:
        found = (offer for model in call.plan.models for offer in self._table.offers(call.project_id, model))
        return [(offer, self._table.price(offer.price_version)) for offer in found]


def _countable(request: Request) -> bool:
    return request.kind is Kind.CHAT and not any(mark in request.body for mark in _NOT_TEXT)
