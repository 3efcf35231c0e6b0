"""``/v1/providers``: companies whose API answers for models, with this platform's keys to them."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from argosy import catalog
from argosy.api.context import AdminCaller, Platform, PlatformParts, vault_of
from argosy.catalog import Provider
from argosy.catalog.provider import Auth, Prefill
from argosy.core import new_id, now

router = APIRouter(prefix="/v1/providers", tags=["providers"])


class NewProvider(BaseModel):
    """A provider to add, or to give a new key."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{1,39}$")
    """One that is known (``GET /v1/providers/known``), or any other with a ``base_url``."""
    key: SecretStr | None = None
    """Stored encrypted, never shown again. Left out for a server that asks for none."""
    base_url: str | None = Field(default=None, max_length=400)
    """Where OpenAI's paths lie, such as ``https://api.example.com/v1``."""
    auth: Auth | None = None
    private: bool = False
    """Whether its address may be inside the network."""
    in_flight_max: int | None = Field(default=None, ge=1, le=100_000)
    """Requests that it is sent at once, by each API process; more wait their turn. Left out: as many as come."""
    prefill: Prefill = "none"
    """How the rest of a stream that broke is asked for: with the answer so far as the last message, and in it the flag
    that this provider wants. ``GET /v1/providers/known`` says what is known of it; ``none`` leaves the stream broken.
    """


@router.post("")
def add_provider(body: NewProvider, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Add a provider; one of the same name is replaced. 'POST /v1/providers/NAME/test' tells whether it works."""
    base_url, auth = catalog.settle(body.name, body.base_url, body.auth, body.private)
    key = body.key.get_secret_value() if body.key else ""
    made = Provider(
        id=new_id("prov_"),
        project_id=caller.project_id,
        name=body.name,
        base_url=base_url,
        auth=auth,
        private=body.private,
        secret=None,
        hint=f"…{key[-4:]}" if len(key) >= 12 else "",
        created_at=now(),
        in_flight_max=body.in_flight_max,
        prefill=body.prefill,
    )
    sealed = vault_of(platform).seal(key, made.purpose) if key else None
    made = Provider(**{**vars(made), "secret": sealed})
    with platform.database.write() as tx:
        catalog.add_provider(tx, made)
    return _wire(made)


@router.get("")
def list_providers(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List the providers that were added, without their keys."""
    with platform.database.read() as tx:
        found = catalog.list_providers(tx)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.get("/known")
def list_known(caller: AdminCaller) -> dict[str, Any]:
    """List the providers whose addresses are known, so that a key is enough to add them."""
    data = [
        {
            "id": one.id,
            "object": "known_provider",
            "title": one.title,
            "base_url": one.base_url,
            "auth": one.auth,
            "prefill": one.prefill,
        }
        for one in catalog.known_providers().values()
    ]
    return {"object": "list", "data": data, "has_more": False}


@router.get("/{name}/models")
def list_models(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Ask the provider which models it offers to this key."""
    found = catalog.offered_models(_find(platform, name), vault_of(platform))
    return {"object": "list", "data": [{"id": one, "object": "provider_model"} for one in found], "has_more": False}


@router.post("/{name}/test")
def test_provider(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Reach the provider with its key, and say how many models it offers. Fails with what is wrong."""
    found = catalog.offered_models(_find(platform, name), vault_of(platform))
    return {"object": "provider_test", "name": name, "ok": True, "models": len(found)}


@router.delete("/{name}")
def remove_provider(name: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Forget a provider and its key. Deployments at it stop to answer until it is added again."""
    with platform.database.write() as tx:
        catalog.remove_provider(tx, name)
    return {"id": name, "object": "provider", "deleted": True}


def _find(platform: Platform, name: str) -> Provider:
    with platform.database.read() as tx:
        return catalog.find_provider(tx, name)


def _wire(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "object": "provider",
        "name": provider.name,
        "base_url": provider.base_url,
        "auth": provider.auth,
        "private": provider.private,
        "key_hint": provider.hint or None,
        "created_at": provider.created_at,
        "in_flight_max": provider.in_flight_max,
        "prefill": provider.prefill,
    }
