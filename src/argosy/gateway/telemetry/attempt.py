"""One attempt: a replica or a provider is asked on behalf of one part of a request. It is counted, and is a span."""

from asyncio import CancelledError
from collections import Counter

from argosy.core import ArgosyError
from argosy.gateway.relay import Lost, NotReached
from argosy.gateway.routing import Offer
from argosy.gateway.telemetry.tracing import Hop
from argosy.gateway.trip import Trip

_RESULTS: dict[type[BaseException], str] = {NotReached: "not_reached", Lost: "lost", CancelledError: "client_gone"}


class Attempted:
    """A block within which the attempt is made. Nothing is caught."""

    __slots__ = ("_counts", "_hop", "_offer", "_trip")

    def __init__(self, counts: Counter[tuple[str, str]], trip: Trip, offer: Offer) -> None:
        self._counts, self._trip, self._offer = counts, trip, offer
        self._hop: Hop | None = None

    def __enter__(self) -> None:
        served = self._trip.call.served
        served.led_to = self._offer.route
        if served.trace is not None:
            self._hop = served.trace.attempt(self._offer.route)
            self._trip.trace_headers = self._hop.headers

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        result = "answered" if error is None else _result(error)
        self._counts[self._offer.route.base_model, result] += 1
        if self._hop is not None:
            self._hop.end(result)


def _result(error: BaseException) -> str:
    """One of a few words: an error's code, or what happened to the connection."""
    return error.code if isinstance(error, ArgosyError) else _RESULTS.get(type(error), "fault")
