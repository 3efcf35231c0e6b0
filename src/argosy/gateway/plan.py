"""What a request's model name leads to: models in the order in which they are to be asked, and how patiently."""

from collections.abc import Sequence

import msgspec

from argosy.gateway.metering import Usage
from argosy.gateway.requests import Request
from argosy.gateway.route_spec import Patience
from argosy.gateway.telemetry.tracing import Trace
from argosy.identity import Caller
from argosy.serving import Route

ATTEMPTS = 3
"""Endpoints that a request without a route may be sent to: the replicas of its one model."""


class Plan(msgspec.Struct, frozen=True):
    """Where a request may go."""

    models: Sequence[str]
    """By preference; at least one."""
    attempts: int = ATTEMPTS
    patience: Patience | None = None
    """None: only an engine's silence is limited."""
    route: str = ""
    """The route's name, empty without one."""


class Served(msgspec.Struct, eq=False):
    """Who answered, for the response's headers, and all else that is told of a request. Filled in on its way."""

    target: str = ""
    attempts: int = 0
    resumed: int = 0
    """How often the answer was cut and carried on."""
    caller: Caller | None = None
    request: Request | None = None
    asked: str = ""
    """The name it was asked by, once that is known to lead somewhere."""
    route: str = ""
    led_to: Route | None = None
    """What that name leads to: first by plan, then as it was asked last."""
    outcome: str = ""
    usage: Usage | None = None
    estimated: bool = False
    first_byte_at: float = 0.0
    """By `time.perf_counter`; 0 as long as nothing went out."""
    error: str = ""
    """Its code."""
    trace: Trace | None = None
    cache: str = ""
    """``hit``, ``miss``, or ``bypass`` for an answer that is drawn at random; empty if the cache was not asked for."""
    counted: bool = False
    """Whether an engine was asked for the tokens of its prompt, before money was held for it."""
    age_s: int = 0
    """How old a hit is."""
