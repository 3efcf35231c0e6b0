"""``/v1/aliases``: a project's own names for models, moved from one to another in one step."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from argosy import catalog, serving
from argosy.api.context import AdminCaller, InferenceCaller, PlatformParts
from argosy.catalog import Alias
from argosy.core import NotFound

router = APIRouter(prefix="/v1/aliases", tags=["aliases"])


class Target(BaseModel):
    """What an alias is to stand for."""

    model_config = ConfigDict(extra="forbid")

    target: str
    """A model that is deployed, or one of the project's adapters."""


@router.put("/{name}")
def put_alias(name: str, body: Target, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Point a name at a model. Requests that are under way finish where they began; the next one goes to the new."""
    with platform.database.write() as tx:
        served = [one.model for one in serving.list_deployments(tx) if one.desired == "running"]
        return _wire(catalog.point_alias(tx, caller.project_id, name, body.target, served))


@router.get("")
def list_aliases(platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List the project's aliases."""
    with platform.database.read() as tx:
        found = catalog.list_aliases(tx, caller.project_id)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.delete("/{name}")
def delete_alias(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Take a name back."""
    with platform.database.write() as tx:
        if not catalog.remove_alias(tx, caller.project_id, name):
            raise NotFound(f"There is no alias '{name}' in this project.", code="alias_not_found")
    return {"id": name, "object": "alias", "deleted": True}


def _wire(alias: Alias) -> dict[str, Any]:
    return {"id": alias.name, "object": "alias", "target": alias.target, "moved_at": alias.moved_at}
