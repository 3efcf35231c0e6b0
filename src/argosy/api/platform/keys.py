"""``/v1/keys``: API keys of a project, for administrators."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from argosy import identity
from argosy.api.context import AdminCaller, PlatformParts
from argosy.identity import Caller, Key
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/keys", tags=["keys"])


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str
    scopes: list[str]
    """Of "inference", "tuning", "billing" and "admin"."""
    project: str | None = None
    """Id or name of another project of the organization than the caller's own."""


@router.post("")
def create_key(body: NewKey, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Make a key. Its secret, ``value``, is shown this once: only its hash is stored."""
    with platform.database.write() as tx:
        key, secret = identity.create_key(tx, _project(tx, caller, body.project), body.name, body.scopes)
    platform.keys.refresh()
    return _wire(key) | {"value": secret}


@router.get("")
def list_keys(platform: PlatformParts, caller: AdminCaller, project: str | None = None) -> dict[str, Any]:
    """List the keys of the caller's project, or of another one of the organization, without their secrets."""
    with platform.database.read() as tx:
        found = identity.list_keys(tx, _project(tx, caller, project))
    return {"object": "list", "data": [_wire(key) for key in found], "has_more": False}


@router.delete("/{key_id}")
def revoke_key(key_id: str, platform: PlatformParts, caller: AdminCaller, project: str | None = None) -> dict[str, Any]:
    """Revoke a key: it stops working at once here, and within half a second in every other process."""
    with platform.database.write() as tx:
        identity.revoke_key(tx, _project(tx, caller, project), key_id)
    platform.keys.refresh()
    return {"id": key_id, "object": "api_key", "deleted": True}


def _project(tx: Transaction, caller: Caller, wanted: str | None) -> str:
    return identity.find_project(tx, caller.project_id, wanted).id if wanted else caller.project_id


def _wire(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "object": "api_key",
        "name": key.name,
        "hint": key.hint,
        "scopes": list(key.scopes),
        "project_id": key.project_id,
        "created_at": key.created_at,
    }
