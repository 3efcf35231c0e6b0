"""``/v1/catalog``: base models that can be deployed here, and what the caller's project made of them."""

from typing import Any

import msgspec
from fastapi import APIRouter

from argosy import catalog
from argosy.api.context import InferenceCaller, PlatformParts
from argosy.catalog import ModelCard, ModelVersion

router = APIRouter(prefix="/v1/catalog", tags=["catalog"])


@router.get("")
def list_cards(caller: InferenceCaller) -> dict[str, Any]:
    """List the cards of all base models."""
    return {"object": "list", "data": [_card(card) for card in catalog.cards().values()], "has_more": False}


@router.get("/{name}")
def retrieve_card(name: str, caller: InferenceCaller) -> dict[str, Any]:
    """One card: what the model is, where its weights come from, what it costs."""
    return _card(catalog.card(name))


@router.get("/{name}/versions")
def list_versions(name: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List the adapters that the caller's project made of this base, oldest first, each with its lineage."""
    base = catalog.card(name).name
    with platform.database.read() as tx:
        found = catalog.list_models(tx, caller.project_id, base)
    return {"object": "list", "data": [_version(model) for model in found], "has_more": False}


def _card(card: ModelCard) -> dict[str, Any]:
    return {"object": "model_card", **msgspec.to_builtins(card)}


def _version(model: ModelVersion) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model_version",
        "name": model.name,
        "base": model.base,
        "digest": model.digest,
        "size_bytes": model.size_bytes,
        "lineage": msgspec.to_builtins(model.lineage),
        "created_at": model.created_at,
    }
