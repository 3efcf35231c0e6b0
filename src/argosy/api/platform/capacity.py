"""``/v1/capacity``: what each deployment can do in a minute, and how much of that is sold by limits."""

from collections import Counter
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from argosy import identity
from argosy.api.context import AdminCaller, PlatformParts
from argosy.gateway import capacity
from argosy.gateway.capacity import Sales, Supply
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/capacity", tags=["limits"])


class NewSwitch(BaseModel):
    """What is to hold for a deployment; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    waitlist: bool = False
    """Whether limits that would promise more than there is have to wait."""
    tokens_per_minute: int | None = Field(default=None, ge=0, le=10**12)
    """What it can do, instead of what was measured; null goes by that again."""


@router.get("")
def list_capacity(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List, for each deployment, tokens a minute that it can do, that are sold, and that are left.

    A limit of tokens a minute is a promise: a project's own, or less where its limits at the model are lower. Limits of
    keys divide it; a project without a limit was promised nothing, and takes what the others leave.
    """
    with platform.database.read() as tx:
        found = _capacities(tx, caller.project_id)
    shown = [one for one in found if one["running"] or one["waitlist"]]
    return {"object": "list", "data": shown, "has_more": False}


@router.put("/{deployment}")
def put_capacity(deployment: str, body: NewSwitch, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Switch a deployment's waitlist on or off, or say what it can do. Whatever can be granted then, is."""
    change = body.model_dump(exclude_unset=True)
    with platform.database.write() as tx:
        found = capacity.set_switch(tx, deployment, change)
        return next(one for one in _capacities(tx, caller.project_id) if one["deployment"] == found.id)


def _capacities(tx: Transaction, project_id: str) -> list[dict[str, Any]]:
    own = [project.id for project in identity.list_projects(tx, project_id)]
    sales = capacity.market(tx)
    waiting = Counter(model for one in capacity.line(tx) for model in one.waits_for)
    return [_wire(sales, one, own, waiting[one.model]) for one in sales.supplies]


def _wire(sales: Sales, one: Supply, own: list[str], waiting: int) -> dict[str, Any]:
    """Projects of other organizations are in the sums alone."""
    promises, can, sold = sales.promises(one), one.tokens_per_minute, sales.sold(one)
    source = "given" if one.switch.tokens_per_minute is not None else "measured"
    return {
        "object": "capacity",
        "deployment": one.deployment_id,
        "model": one.model,
        "running": one.running,
        "replicas": one.replicas,
        "written_per_s": one.written_per_s,
        "read_per_s": one.read_per_s,
        "tokens_per_minute": can,
        "source": None if can is None else source,
        "sold_tokens_per_minute": sold,
        "left_tokens_per_minute": None if can is None else can - sold,
        "promised": [
            {"project_id": project, "tokens_per_minute": promises[project]} for project in own if project in promises
        ],
        "projects_without_promise": sum(project not in promises for project in own),
        "waitlist": one.switch.waitlist,
        "waiting": waiting,
    }
