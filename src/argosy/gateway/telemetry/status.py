"""How the gateway does now, as the public API tells it: what was counted, who answers, and who is left alone."""

import os
from collections.abc import Iterable
from time import time

import msgspec

from argosy.billing import Journal
from argosy.core.histogram import SECONDS
from argosy.gateway.dispatch import Dispatch
from argosy.gateway.health import HealthTable
from argosy.gateway.routing import Offer, RouteTable
from argosy.gateway.telemetry.numbers import ModelNumbers, Numbers

STARTED = time()


class TargetStatus(msgspec.Struct, kw_only=True):
    """A replica or a provider's model."""

    model: str
    """The deployment that it belongs to."""
    endpoint: str | None
    """The replica's id, or the provider and its name for the model; None while a deployment has no replica."""
    provider: str | None
    circuit: str
    """``closed``, ``open`` (left alone) or ``trying`` (its next request decides); ``absent`` without a replica."""
    retry_in_s: float
    in_flight: int
    latency_ms: float
    """Until its first byte, as a moving average; 0 while unknown."""


class ModelStatus(msgspec.Struct, kw_only=True):
    """One model since the process started."""

    model: str
    requests: int
    errors: dict[str, int]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    first_byte: list[int]
    """Good answers, streamed or not, by how long their first byte took: see `Status.first_byte_edges_s`."""


class Status(msgspec.Struct, kw_only=True):
    """One process. Counts are since it started."""

    process: int
    """Its id: another one has counted for itself."""
    started_at: int
    requests: int
    outcomes: dict[str, int] = {}
    """Requests that were admitted, by how they ended."""
    errors: dict[str, int]
    """By code, those of requests that led to no model among them."""
    attempts: list[tuple[str, str, int]]
    """Base model, result, how often."""
    extra_attempts: dict[str, int]
    """``spent`` and, for want of budget, ``refused``."""
    resumed: int = 0
    """How often an answer was cut and carried on."""
    journal: dict[str, int]
    """``unshipped``: outcomes that are not in the database; ``open_requests``: those and the requests under way."""
    first_byte_edges_s: tuple[float, ...] = SECONDS
    models: list[ModelStatus]
    targets: list[TargetStatus]


def read_status(numbers: Numbers, table: RouteTable, dispatch: Dispatch, journal: Journal, project_id: str) -> Status:
    """All of it but how requests ended. Models are called by the names that the project may know."""
    return Status(
        process=os.getpid(),
        started_at=int(STARTED),
        requests=numbers.requests,
        errors=dict(numbers.errors),
        attempts=[(*key, count) for key, count in numbers.attempts.copy().items()],
        extra_attempts={"spent": dispatch.budget.spent, "refused": dispatch.budget.refused},
        journal={"unshipped": journal.unshipped, "open_requests": journal.open_requests},
        models=_models(numbers, project_id),
        targets=_targets(table.every_offer(), dispatch.health),
    )


def _models(numbers: Numbers, project_id: str) -> list[ModelStatus]:
    """Models that a project may use by their own names, all others with the model that they are tuned from."""

    def name(model: str, one: ModelNumbers) -> str:
        return model if one.project_id in (None, project_id) else one.base_model

    return [
        ModelStatus(
            model=model,
            requests=one.requests,
            errors=dict(one.errors),
            prompt_tokens=one.prompt_tokens,
            cached_tokens=one.cached_tokens,
            completion_tokens=one.completion_tokens,
            first_byte=[a + b for a, b in zip(one.first_byte.counts, one.whole.counts, strict=True)],
        )
        for model, one in sorted(numbers.by(name).items())
    ]


def _targets(offers: Iterable[Offer], health: HealthTable) -> list[TargetStatus]:
    """Every endpoint once, by model. No addresses."""
    at, found = health.clock(), {}
    for offer in offers:
        route = offer.route
        if (route.base_model, offer.endpoint) in found or (not offer.endpoint and route.model != route.base_model):
            continue
        known = health.find(offer.endpoint)
        wait_s = max(0.0, known.open_until - at) if known and known.open_until else 0.0
        circuit = "closed" if offer.ready else "absent"
        if known and known.open_until:
            circuit = "open" if wait_s else "trying"
        found[route.base_model, offer.endpoint] = TargetStatus(
            model=route.base_model,
            endpoint=(offer.endpoint if route.provider else route.replica_id) or None,
            provider=route.provider.name if route.provider else None,
            circuit=circuit,
            retry_in_s=round(wait_s, 1),
            in_flight=known.in_flight if known else 0,
            latency_ms=round(known.latency_s * 1000, 1) if known else 0.0,
        )
    return sorted(found.values(), key=lambda one: (one.model, one.endpoint or ""))
