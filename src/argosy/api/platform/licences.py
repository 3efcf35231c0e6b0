"""``/v1/licences``: the terms that models come under, and which of them the caller's project has accepted."""

from typing import Any

import msgspec
from fastapi import APIRouter

from argosy import catalog
from argosy.api.context import AdminCaller, InferenceCaller, PlatformParts
from argosy.catalog import Acceptance, Licence

router = APIRouter(prefix="/v1/licences", tags=["licences"])


@router.get("")
def list_licences(platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List all licences of the catalog."""
    with platform.database.read() as tx:
        found = catalog.accepted(tx, caller.project_id)
    data = [_wire(one, found.get((one.id, one.version or ""))) for one in catalog.licences().values()]
    return {"object": "list", "data": data, "has_more": False}


@router.get("/{licence_id}")
def retrieve_licence(licence_id: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """One licence: what it allows, what it asks for, and whether the project accepted it."""
    terms = catalog.licence(licence_id)
    with platform.database.read() as tx:
        return _wire(terms, catalog.acceptance_of(tx, caller.project_id, terms))


@router.post("/{licence_id}/accept")
def accept_licence(licence_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Accept the terms for the caller's project. Repeating it changes nothing: the first acceptance stays on record."""
    with platform.database.write() as tx:
        given = catalog.accept_licence(tx, caller.project_id, licence_id, caller.key_id)
    return _wire(catalog.licence(licence_id), given)


def _wire(terms: Licence, given: Acceptance | None) -> dict[str, Any]:
    accepted = given and {"accepted_at": given.accepted_at, "key_id": given.key_id}
    return {"object": "licence", **msgspec.to_builtins(terms), "accepted": accepted}
