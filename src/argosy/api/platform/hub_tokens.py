"""``/v1/hub-tokens``: a project's own tokens for hubs, to read gated and private repositories with."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, SecretStr

from argosy import catalog
from argosy.api.context import AdminCaller, PlatformParts, vault_of
from argosy.catalog import HubToken
from argosy.core import Invalid, NotFound

router = APIRouter(prefix="/v1/hub-tokens", tags=["hub-tokens"])


class NewToken(BaseModel):
    """A token, as the hub's page for them gave it."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr
    """Stored encrypted, never shown again."""


@router.put("/{hub}")
def put_token(hub: str, body: NewToken, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Store the project's token for a hub (``hf``), in place of an earlier one."""
    token = body.token.get_secret_value().strip()
    if not (token.isascii() and token.isprintable() and 1 <= len(token) <= 400):
        raise Invalid("That is no token: it is empty, too long, or has strange letters.", code="invalid_token")
    made, sealed = catalog.seal_hub_token(vault_of(platform), caller.project_id, hub, token)
    with platform.database.write() as tx:
        catalog.set_hub_token(tx, caller.project_id, made, sealed)
    return _wire(made)


@router.get("")
def list_tokens(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List the hubs that the project has a token for."""
    with platform.database.read() as tx:
        found = catalog.list_hub_tokens(tx, caller.project_id)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.delete("/{hub}")
def delete_token(hub: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Forget the project's token for a hub."""
    with platform.database.write() as tx:
        if not catalog.remove_hub_token(tx, caller.project_id, hub):
            raise NotFound(f"This project has no token for '{hub}'.", code="token_not_found")
    return {"id": hub, "object": "hub_token", "deleted": True}


def _wire(token: HubToken) -> dict[str, Any]:
    return {"id": token.hub, "object": "hub_token", "hint": token.hint or None, "created_at": token.created_at}
