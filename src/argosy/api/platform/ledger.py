"""``/v1/usage/events``, ``/v1/ledger``: everything that is needed to add a bill up again.

Amounts are integers in micro-units (millionths of the currency's unit), prices micro-units per million tokens.
"""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from argosy.api.billing_scope import flush_usage, visible_project
from argosy.api.context import BillingCaller, PlatformParts
from argosy.billing import QUANTITIES, REVENUE, balances, list_entries
from argosy.billing.rating import quantity_name
from argosy.billing.reports import EventFilter, EventLine, get_event, list_events

router = APIRouter(tags=["billing"])

Limit = Annotated[int, Query(ge=1, le=1000)]
Seconds = Annotated[int | None, Query(ge=0, le=10**12)]
ProjectId = Annotated[str | None, Query(description="Another project of the organization; administrators only.")]


@router.get("/v1/usage/events")
def usage_events(
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    start_time: Seconds = None,
    end_time: Seconds = None,
    model: str | None = None,
    invoice_id: str | None = None,
    after: str | None = None,
    limit: Limit = 100,
    order: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """Each request and job with its counts, price version and amounts, by the time at which it finished."""
    wanted = EventFilter(start_time, end_time, model, invoice_id)
    flush_usage(parts)
    with parts.database.read() as tx:
        project = visible_project(tx, caller, project_id)
        found = list_events(tx, project, wanted, after=after, limit=limit + 1, newest_first=order == "desc")
    return _list([_event(line) for line in found[:limit]], has_more=len(found) > limit)


@router.get("/v1/usage/events/{event_id}")
def usage_event(
    event_id: str, parts: PlatformParts, caller: BillingCaller, project_id: ProjectId = None
) -> dict[str, Any]:
    """One request or job, by the id in its ``x-request-id`` header, or the job's id."""
    flush_usage(parts)
    with parts.database.read() as tx:
        return _event(get_event(tx, visible_project(tx, caller, project_id), event_id))


@router.get("/v1/ledger")
def ledger(
    parts: PlatformParts,
    caller: BillingCaller,
    project_id: ProjectId = None,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Ledger entries in the order in which they were posted, and the balance of every account.

    Debits are positive, credits negative, and each transaction sums to zero. ``charged`` is what all usage cost.
    """
    flush_usage(parts)
    with parts.database.read() as tx:
        project = visible_project(tx, caller, project_id)
        found, totals = list_entries(tx, project, after, limit + 1), balances(tx, project)
    data = [{"object": "ledger.entry", **row._mapping} for row in found[:limit]]
    page = _list(data, has_more=len(found) > limit)
    return page | {"project_id": project, "balances": totals, "charged": -totals.get(REVENUE, 0)}


def _list(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def _event(line: EventLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "object": "usage.event",
        "project_id": line.project_id,
        "api_key_id": line.key_id,
        "kind": line.kind,
        "model": line.model,
        "base_model": line.base_model,
        "outcome": line.outcome,
        "estimated": line.estimated,
        "route": line.route or None,
        "attempts": line.attempts,
        "target": line.target or None,
        "model_version": line.model_version or None,
        "metadata": json.loads(line.tags) if line.tags else {},
        "started_us": line.started_us,
        "finished_us": line.finished_us,
        "latency_us": max(0, line.finished_us - line.started_us),
        "time_to_first_token_us": line.first_token_us or None,
        "usage": {
            "prompt_tokens": line.units["input"] + line.units["cached_input"],
            "cached_tokens": line.units["cached_input"],
            "completion_tokens": line.units["output"],
            "reasoning_tokens": line.reasoning_tokens,
            "training_tokens": line.units["training"],
            "saved_prompt_tokens": line.saved_prompt_tokens,
            "saved_completion_tokens": line.saved_completion_tokens,
        },
        "price_version": line.price_version,
        "discount": line.discount,
        "tier": line.tier,
        "batch_id": line.batch_id,
        "currency": line.currency,
        "quantities": [
            {
                "quantity": quantity_name(name, line.measured),
                "units": line.units[name],
                "unit_price": line.unit_prices[name],
                "amount": line.amounts[name],
            }
            for name in QUANTITIES
            if line.units[name]
        ],
        "total": line.total,
        "saved": line.saved_amount,
        "invoice_id": line.invoice_id,
    }
