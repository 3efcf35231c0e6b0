"""``/v1/prices``: what a model's use costs, what providers ask for it, and what is left.

Prices are integers in micro-units (millionths of the currency's unit) per million tokens, times unix seconds.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from argosy import catalog, serving
from argosy.api.billing_scope import flush_usage, visible_projects
from argosy.api.context import AdminCaller, PlatformParts, identify
from argosy.api.platform.price_bodies import NewPrice, PriceFile, date_of, more_terms
from argosy.billing import (
    QUANTITIES,
    Price,
    cost_history,
    current_costs,
    current_prices,
    ensure_cost,
    ensure_price,
    price_history,
    price_time,
)
from argosy.billing.prices import Step, import_prices, read_prices, versions_of
from argosy.billing.reports import Margin, margins
from argosy.core import Forbidden, Invalid, now
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/prices", tags=["billing"])


@router.get("")
def list_prices(
    request: Request,
    parts: PlatformParts,
    history: bool = False,
    kind: Literal["sale", "cost"] = "sale",
    model: str | None = None,
) -> dict[str, Any]:
    """Present prices of all models, or all versions there ever were and those to come. For every key; what providers
    ask is for administrators.
    """
    caller = identify(parts.keys, request.headers.get("authorization"))
    if kind == "cost" and not caller.may("admin"):
        raise Forbidden("What providers ask is shown to keys with the scope 'admin' only.", code="missing_scope")
    with parts.database.read() as tx:
        if kind == "sale":
            present = list(current_prices(tx).values())
            found = price_history(tx) if history else present
        else:
            present = list(current_costs(tx).values())
            found = cost_history(tx) if history else present
    data = [price_wire(price, present) for price in found if model in (None, price.model)]
    return {"object": "list", "data": data, "has_more": False}


@router.post("")
def create_price(body: NewPrice, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Add a price, from now or a later time on; harmless to repeat. The gateway has it within a second of its time."""
    if (body.kind == "cost") != bool(body.provider):
        raise Invalid(
            "A price of kind 'cost' names its 'provider', and no other does.", code="invalid_price", param="provider"
        )
    begins = date_of(body.effective_from)
    with parts.database.write() as tx:
        provider = body.provider or ""
        if provider:
            id_ = ensure_cost(tx, provider, body.model, body.terms(), begins)
        else:
            id_ = ensure_price(tx, body.model, body.terms(), begins)
        present = current_costs(tx) if provider else current_prices(tx)
        made = next(price for price in versions_of(tx, body.model, provider) if price.id == id_)
        warnings = _warnings(tx, [(made.provider, made.model)])
    return price_wire(made, list(present.values())) | {"warnings": list(warnings.values())}


@router.post("/import")
def import_file(body: PriceFile, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Carry out a file of prices in one transaction. Once more, it changes nothing. Mistakes are told by line."""
    rows = read_prices(body.content, body.format)
    with parts.database.engine.connect() as connection, connection.begin() as transaction:
        steps = import_prices(connection, rows, body.currency)
        warnings = _warnings(connection, [(step.row.provider, step.row.model) for step in steps])
        if body.dry_run:
            transaction.rollback()
    return {
        "object": "price.import",
        "dry_run": body.dry_run,
        "data": [_step(step) for step in steps],
        "left_out": len(rows) - len(steps),
        "warnings": [f"line {steps[n].row.line}: {text}" for n, text in warnings.items()],
    }


@router.get("/margin")
def margin(
    parts: PlatformParts,
    caller: AdminCaller,
    start_time: Annotated[int | None, Query(ge=0, le=10**12)] = None,
    end_time: Annotated[int | None, Query(ge=0, le=10**12)] = None,
) -> dict[str, Any]:
    """What was charged, what providers are owed for it, and what is left, by model; of the last 30 days by default.

    It is of all projects of the caller's organization.
    """
    end = now() + 1 if end_time is None else end_time
    start = end - 30 * 86_400 if start_time is None else start_time
    flush_usage(parts)
    with parts.database.read() as tx:
        found = margins(tx, visible_projects(tx, caller), start, end)
    return {
        "object": "list",
        "data": [_margin(one) for one in found],
        "has_more": False,
        "start_time": start,
        "end_time": end,
    }


@router.get("/derive")
def derive(
    model: str,
    parts: PlatformParts,
    caller: AdminCaller,
    margin: Annotated[int, Query(ge=0, le=99, description="Percent of the revenue that are to be left")] = 30,
) -> dict[str, Any]:
    """A price from the model's measured speed and what this machine costs an hour, with its arithmetic. It proposes:
    POST /v1/prices makes it one.
    """
    with parts.database.read() as tx:
        return {"object": "price.proposal", **asdict(serving.derive_price(tx, parts.settings, model, margin))}


def price_wire(price: Price, present: list[Price]) -> dict[str, Any]:
    """A version as the wire has it. ``present``: those that are in force."""
    if any(price.id == one.id for one in present):
        state = "in_force"
    else:
        state = "scheduled" if price.effective_from > price_time() else "past"
    return {
        "id": price.id,
        "object": "price",
        "kind": "cost" if price.provider else "sale",
        "provider": price.provider or None,
        "model": price.model,
        "version": price.version,
        "currency": price.currency,
        **{name: getattr(price, name) for name in QUANTITIES},
        **more_terms(price),
        "state": state,
        "effective_from": price.effective_from,
        "created_at": price.created_at,
    }


def _step(step: Step) -> dict[str, Any]:
    row = step.row
    new = {name: getattr(row.terms, name) for name in ("input", "cached_input", "output", "training")}
    return {
        "line": row.line,
        "action": step.action,
        "kind": "cost" if row.provider else "sale",
        "provider": row.provider or None,
        "model": row.model,
        "currency": row.terms.currency,
        "effective_from": row.effective_from,
        "old": step.old and {name: getattr(step.old, name) for name in new} | more_terms(step.old),
        "new": new | more_terms(row.terms),
    }


def _margin(one: Margin) -> dict[str, Any]:
    return {
        "object": "price.margin",
        "model": one.model,
        "provider": one.provider or None,
        "currency": one.currency,
        "events": one.events,
        "revenue": one.revenue,
        "cost": one.cost,
        "margin": one.margin,
        "margin_percent": one.percent,
    }


def _warnings(tx: Transaction, places: list[tuple[str, str]]) -> dict[int, str]:
    """By place in the list: names that nothing has yet. Prices may come first, but a typing error looks the same."""
    models = {*catalog.cards(), *(deployment.model for deployment in serving.list_deployments(tx))}
    providers = {provider.name for provider in catalog.list_providers(tx)}
    found = {}
    for number, (provider, model) in enumerate(places):
        if provider and provider not in providers:
            found[number] = f"there is no provider '{provider}' yet"
        elif model not in models and not model.startswith("ft:"):
            found[number] = f"'{model}' is no card's and no deployment's name yet: the price waits for one"
    return found
