"""GET /v1/models: the models that the caller's project may use, its own adapters among them."""

from typing import Any

from fastapi import APIRouter, Request

from argosy.api.context import InferenceCaller, PlatformParts
from argosy.catalog import ModelVersion, list_models
from argosy.core import NotFound
from argosy.gateway import Gateway
from argosy.serving import Route

router = APIRouter(tags=["Models"])


@router.get("/v1/models")
def list_all(request: Request, caller: InferenceCaller, parts: PlatformParts) -> dict[str, Any]:
    """The models that can be asked now."""
    with parts.database.read() as tx:
        versions = {version.name: version for version in list_models(tx, caller.project_id)}
    gateway: Gateway = request.app.state.gateway
    routes = gateway.models(caller.project_id)
    return {
        "object": "list",
        "data": [_model(route, versions.get(route.model), caller.organization_slug) for route in routes],
    }


@router.get("/v1/models/{model}")
def retrieve(model: str, request: Request, caller: InferenceCaller, parts: PlatformParts) -> dict[str, Any]:
    """One model by name."""
    for found in list_all(request, caller, parts)["data"]:
        if found["id"] == model:
            return dict(found)
    raise NotFound(
        f"The model '{model}' does not exist or you do not have access to it. GET /v1/models lists yours.",
        code="model_not_found",
        param="model",
    )


def _model(route: Route, version: ModelVersion | None, organization: str) -> dict[str, Any]:
    return {
        "id": route.model,
        "object": "model",
        "created": version.created_at if version else 0,
        "owned_by": organization if route.project_id else "argosy",
        "base_model": route.base_model,
        "context_length": route.context_length,
    }
