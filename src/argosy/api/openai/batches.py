"""OpenAI's Batch API: create, list, retrieve and cancel. Files come and go through ``/v1/files``."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from argosy import batches
from argosy.api.context import InferenceCaller, PlatformParts

router = APIRouter(prefix="/v1/batches", tags=["batches"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["input_file_id", "endpoint", "completion_window"],
                    "properties": {
                        "input_file_id": {"type": "string", "description": "A file with the purpose 'batch'."},
                        "endpoint": {"type": "string", "enum": list(batches.ENDPOINTS)},
                        "completion_window": {"type": "string", "enum": ["24h"]},
                        "metadata": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                    },
                }
            }
        },
    }
}


@router.post("", openapi_extra=_BODY)
def create_batch(
    parts: PlatformParts, caller: InferenceCaller, body: Annotated[dict[str, Any], Body()]
) -> dict[str, Any]:
    """Answer all requests of a file in the background, each at a discount. At most 50,000 lines and 100 MB."""
    request = batches.read_request(body)
    with parts.database.write() as tx:
        return batches.batch_object(batches.create(tx, caller, request, parts.settings.batch_discount))


@router.get("")
def list_batches(
    parts: PlatformParts,
    caller: InferenceCaller,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The project's batches, newest first; ``after`` is the last id of the page before."""
    with parts.database.read() as tx:
        found = batches.list_batches(tx, caller.project_id, after=after, limit=limit + 1)
    page = [batches.batch_object(batch) for batch in found[:limit]]
    ids = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ids, "has_more": len(found) > limit}


@router.get("/{batch_id}")
def retrieve_batch(batch_id: str, parts: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """One batch as it stands."""
    with parts.database.read() as tx:
        batch = batches.get_batch(tx, caller.project_id, batch_id)
    if batch is None:
        raise batches.no_such_batch(batch_id)
    return batches.batch_object(batch)


@router.post("/{batch_id}/cancel")
def cancel_batch(batch_id: str, parts: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """Begin no more lines. Those in flight get some seconds to end; what was answered stays, and is charged."""
    with parts.database.write() as tx:
        return batches.batch_object(batches.cancel(tx, caller.project_id, batch_id))
