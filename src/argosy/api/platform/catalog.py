"""``/v1/catalog``: all models that are known, what fits here, and what the caller's project made of them."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from argosy import catalog
from argosy.api.context import InferenceCaller, PlatformParts
from argosy.catalog import CardFilter, Modality, ModelCard, ModelVersion
from argosy.serving import estimate

router = APIRouter(prefix="/v1/catalog", tags=["catalog"])


@router.get("")
def list_cards(
    caller: InferenceCaller,
    q: Annotated[str | None, Query(max_length=200, description="Words of the name, title, publisher or family")] = None,
    family: str | None = None,
    modality: Modality | None = None,
    language: Annotated[str | None, Query(description="ISO 639, such as zh")] = None,
    licence: str | None = None,
    provider: str | None = None,
    hosted: Annotated[bool | None, Query(description="Whether a company answers for it, or there are weights")] = None,
    commercial: Annotated[bool | None, Query(description="Whether the licence allows commercial use")] = None,
    fits: Annotated[bool | None, Query(description="Whether the weights can fit this machine")] = None,
    parameters_min: Annotated[int | None, Query(ge=0)] = None,
    parameters_max: Annotated[int | None, Query(ge=0)] = None,
    context_min: Annotated[int | None, Query(ge=0)] = None,
    after: Annotated[str | None, Query(description="The name of the last card seen")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> dict[str, Any]:
    """List the cards that pass all filters, by name. A card that does not say passes no filter about it."""
    wanted = CardFilter(
        words=q,
        family=family,
        modality=modality,
        language=language,
        licence=licence,
        provider=provider,
        hosted=hosted,
        commercial=commercial,
        parameters_min=parameters_min,
        parameters_max=parameters_max,
        context_min=context_min,
    )
    found = [_card(card) for card in catalog.find_cards(catalog.cards().values(), wanted)]
    if fits is not None:
        found = [card for card in found if card["fit"] and card["fit"]["fits"] is fits]
    rest = [card for card in found if after is None or card["name"] > after]
    return {"object": "list", "data": rest[:limit], "has_more": len(rest) > limit}


@router.get("/{name}")
def retrieve_card(name: str, caller: InferenceCaller) -> dict[str, Any]:
    """One card: what the model is, under which terms, where it comes from, what it costs."""
    return _card(catalog.card(name))


@router.get("/{name}/versions")
def list_versions(name: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List the adapters that the caller's project made of this base, oldest first, each with its lineage."""
    base = catalog.card(name).name
    with platform.database.read() as tx:
        found = catalog.list_models(tx, caller.project_id, base)
    return {"object": "list", "data": [_version(model) for model in found], "has_more": False}


def _card(card: ModelCard) -> dict[str, Any]:
    expected = estimate(card)
    fit = expected and {
        "fits": expected.fits,
        "weights_bytes": expected.weights_bytes,
        "memory_bytes": expected.memory_bytes,
    }
    return {"object": "model_card", **msgspec.to_builtins(card), "fit": fit}


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
