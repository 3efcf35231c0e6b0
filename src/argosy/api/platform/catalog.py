"""``/v1/catalog``: all models that are known, what fits here, and what the caller's project made of them."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from argosy import catalog, serving
from argosy.api.context import AdminCaller, InferenceCaller, PlatformParts
from argosy.catalog import CardFilter, Description, Modality, ModelCard, ModelVersion
from argosy.core import Conflict, NotFound
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


class NewModel(BaseModel):
    """A model to import, from the platform's machine or from a hub."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=4096)
    """A GGUF file, a folder of safetensors, or ``hf:org/name[@revision][/file.gguf]``. It is read, never run."""
    name: str | None = Field(default=None, min_length=1, max_length=63)
    """What callers will send; left out, from the file's or repository's name."""
    licence: str | None = None
    """Id of a licence of the catalog: what the owner allows. Left out, as the hub says it."""
    title: str = ""
    publisher: str = ""
    family: str = ""
    modality: Modality | None = None
    """Left out, as the file's header lets one tell."""


@router.post("")
def import_model(body: NewModel, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Write a card for a model: what it is, whether an engine runs it, and what it costs in memory."""
    with platform.database.read() as tx:
        environment = catalog.hub_environment(tx, caller.project_id, platform.vault)
    name = body.name or catalog.plain_id(body.path.removesuffix("/").removesuffix(".gguf"))
    given = Description(name, body.licence or "", body.title, body.publisher, body.family, body.modality)
    card, cost = catalog.import_card(body.path, given, environment)
    with platform.database.write() as tx:
        catalog.add_card(tx, caller.project_id, card)
        catalog.load_cards(tx)
    return _card(card) | {"cost": {"weights_bytes": cost.weights, "bytes_per_token": cost.per_token}}


@router.delete("/{name}")
def remove_model(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Forget a model that was imported. Its file stays where it is."""
    with platform.database.write() as tx:
        if any(one.model == name and one.desired == "running" for one in serving.list_deployments(tx)):
            raise Conflict(f"'{name}' is deployed. Undeploy it first.", code="model_deployed")
        if not catalog.remove_card(tx, name):
            raise NotFound(f"There is no imported model '{name}'.", code="model_not_found")
        catalog.load_cards(tx)
    return {"id": name, "object": "model_card", "deleted": True}


@router.get("/{name}")
def retrieve_card(name: str, caller: InferenceCaller) -> dict[str, Any]:
    """One card: what the model is, under which terms, where it comes from, what it costs."""
    return _card(catalog.card(name))


@router.get("/{name}/fit")
def retrieve_fit(name: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """Whether a model fits this machine, in which form of its weights, and what it then does and costs.

    Estimated from its card; measured, and the rule applied, once it was deployed here or ``argosy fit`` has run.
    """
    card = catalog.card(name)
    return serving.fit_document(card, platform.settings)


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
