"""``/v1/waitlist``: limits that were asked for and promise more than there is, in the order in which they get it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from argosy import identity
from argosy.api.context import AdminCaller, PlatformParts
from argosy.gateway import capacity
from argosy.gateway.capacity import InLine, State, Waiting
from argosy.identity import Caller
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/waitlist", tags=["limits"])


@router.get("")
def list_waitlist(
    platform: PlatformParts,
    caller: AdminCaller,
    state: State | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """List what the organization's projects asked for and did not get at once, in the order of asking."""
    with platform.database.read() as tx:
        found = capacity.list_waiting(tx, _projects(tx, caller), state, after, limit + 1)
        places = {one.waiting.id: one for one in capacity.line(tx)}
    data = [in_line(one, places.get(one.id)) for one in found[:limit]]
    return {"object": "list", "data": data, "has_more": len(found) > limit}


@router.post("/{waiting_id}/grant")
def grant(waiting_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Set a limit that waits at once, although it promises more than there is."""
    with platform.database.write() as tx:
        return in_line(capacity.grant_anyway(tx, caller.key_id, _projects(tx, caller), waiting_id))


@router.delete("/{waiting_id}")
def withdraw(waiting_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Take a limit that waits out of the line."""
    with platform.database.write() as tx:
        return in_line(capacity.withdraw(tx, caller.key_id, _projects(tx, caller), waiting_id))


def in_line(waiting: Waiting, standing: InLine | None = None) -> dict[str, Any]:
    """The wire's shape; ``standing`` is where it stands in the line, as long as it does."""
    return {
        "id": waiting.id,
        "object": "limit.waiting",
        "state": waiting.state,
        "place": standing and standing.place,
        "waits_for": list(standing.waits_for) if standing else [],
        "project_id": waiting.project_id,
        "key": waiting.subject if waiting.scope == "key" else None,
        "model": waiting.subject if waiting.scope == "model" else None,
        "requests_per_minute": waiting.requests_per_minute,
        "tokens_per_minute": waiting.tokens_per_minute,
        "asked_by": waiting.asked_by,
        "asked_at": waiting.asked_at,
        "decided_by": waiting.decided_by,
        "decided_at": waiting.decided_at,
    }


def _projects(tx: Transaction, caller: Caller) -> list[str]:
    return [project.id for project in identity.list_projects(tx, caller.project_id)]
