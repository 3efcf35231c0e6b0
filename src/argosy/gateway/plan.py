"""What a request's model name leads to: models in the order in which they are to be asked, and how patiently."""

from collections.abc import Sequence
from dataclasses import dataclass

from argosy.gateway.route_spec import Patience

ATTEMPTS = 3
"""Endpoints that a request without a route may be sent to: the replicas of its one model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a request may go."""

    models: Sequence[str]
    """By preference; at least one."""
    attempts: int = ATTEMPTS
    patience: Patience | None = None
    """None: only an engine's silence is limited."""
    route: str = ""
    """The route's name, empty without one."""


@dataclass(slots=True)
class Served:
    """Who answered, for the response's headers. Filled in while the request is on its way."""

    target: str = ""
    attempts: int = 0
    resumed: int = 0
    """How often the answer was cut and carried on."""
    cache: str = ""
    """``hit``, ``miss``, or ``bypass`` for an answer that is drawn at random; empty if the cache was not asked for."""
    age_s: int = 0
    """How old a hit is."""
