"""``/v1/routes``: names that lead to one of several models, with what to do when one fails."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from argosy import catalog, serving
from argosy.api.context import AdminCaller, PlatformParts
from argosy.core import Invalid, NotFound
from argosy.gateway.route_spec import RouteSpec, read_spec, written
from argosy.gateway.store import StoredRoute, find_route, list_routes, no_route, put_route, route_versions
from argosy.identity import list_projects
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/routes", tags=["routes"])
_NAME_LONGEST = 200


class Version(BaseModel):
    """An earlier version of a route."""

    model_config = ConfigDict(extra="forbid")

    version: int


@router.put("/{name:path}")
def put(name: str, body: dict[str, Any], platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Write a route: a new version of it, unless nothing changes. Requests under way end where they began."""
    spec = read_spec(body)
    if not name.strip() or len(name) > _NAME_LONGEST:
        raise Invalid(f"A route's name has 1 to {_NAME_LONGEST} characters.", code="invalid_route", param="name")
    with platform.database.write() as tx:
        _check_targets(tx, caller.project_id, spec)
        return _wire(put_route(tx, caller.project_id, name, spec))


@router.get("")
def list_all(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List the organization's routes."""
    with platform.database.read() as tx:
        found = list_routes(tx, caller.project_id)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.get("/{name:path}/versions")
def versions(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Every version that there has been, oldest first."""
    with platform.database.read() as tx:
        found = route_versions(tx, caller.project_id, name)
    if not found:
        raise no_route(name)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.get("/{name:path}")
def retrieve(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Retrieve a route."""
    with platform.database.read() as tx:
        return _wire(find_route(tx, caller.project_id, name))


@router.post("/{name:path}/rollback")
def rollback(name: str, body: Version, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Let what an earlier version said hold again, as a new version."""
    with platform.database.write() as tx:
        found = route_versions(tx, caller.project_id, name)
        earlier = next((one for one in found if one.version == body.version), None)
        if earlier is None or earlier.spec is None:
            raise NotFound(f"The route '{name}' has no version {body.version}.", code="route_version_not_found")
        _check_targets(tx, caller.project_id, earlier.spec)
        return _wire(put_route(tx, caller.project_id, name, earlier.spec))


@router.delete("/{name:path}")
def delete(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Take a route away; its name then leads to the model of that name, if there is one."""
    with platform.database.write() as tx:
        find_route(tx, caller.project_id, name)
        put_route(tx, caller.project_id, name, None)
    return {"id": name, "object": "route", "deleted": True}


def _check_targets(tx: Transaction, project_id: str, spec: RouteSpec) -> None:
    """Raise Invalid for a target that nothing serves, and for targets that do different things."""
    deployed = [one.model for one in serving.list_deployments(tx) if one.desired == "running"]
    adapters = {
        version.name: version.base
        for project in list_projects(tx, project_id)
        for version in catalog.list_models(tx, project.id)
        if version.base in deployed
    }
    kinds = set()
    for position, target in enumerate(spec.targets):
        if target.model not in deployed and target.model not in adapters:
            raise Invalid(
                f"Nothing serves the target '{target.model}'. Deploy it first; 'argosy models' lists what is served.",
                code="target_not_served",
                param=f"targets[{position}].model",
            )
        kinds.add(serving.modality_of(adapters.get(target.model, target.model)))
    if len(kinds) > 1:
        raise Invalid(
            f"The targets do different things: {', '.join(sorted(kinds))}. Write a route for each.",
            code="targets_differ",
            param="targets",
        )
    if kinds & {"embedding", "rerank"} and len({target.model for target in spec.targets}) > 1:
        raise Invalid(
            "Numbers of different models cannot be compared, so a route of these has one target.",
            code="targets_differ",
            param="targets",
        )


def _wire(route: StoredRoute) -> dict[str, Any]:
    return {
        "id": route.name,
        "object": "route",
        "version": route.version,
        "created_at": route.created_at,
        "deleted": route.spec is None,
        **(written(route.spec) if route.spec else {}),
    }
