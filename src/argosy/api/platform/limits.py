"""``/v1/limits``: requests and tokens a minute, of a project, of one of its keys, or of the project at one model."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from argosy import catalog, identity
from argosy.api.context import AdminCaller, PlatformParts
from argosy.api.platform.waitlist import in_line
from argosy.core import Invalid, NotFound
from argosy.gateway import capacity, limits
from argosy.gateway.capacity import InLine
from argosy.gateway.limits import Limit, Scope
from argosy.identity import Caller
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/limits", tags=["limits"])

_Count = Annotated[int, Field(ge=1, le=10**12)]


class NewLimit(BaseModel):
    """A limit to set. Without ``key`` and ``model`` it holds for all that the project does."""

    model_config = ConfigDict(extra="forbid")

    project: str | None = None
    """Id or name of another project of the organization than the caller's own."""
    key: str | None = None
    """Id of one of the project's keys."""
    model: str | None = Field(default=None, min_length=1, max_length=200)
    """A model's own name, not an alias."""
    requests_per_minute: _Count | None = None
    tokens_per_minute: _Count | None = None
    """Of prompts and answers together."""


_WAITS: dict[int | str, dict[str, Any]] = {
    202: {"description": "It promises more than there is, and waits: see /v1/waitlist."}
}


@router.put("", responses=_WAITS)
def put_limit(body: NewLimit, platform: PlatformParts, caller: AdminCaller, response: Response) -> dict[str, Any]:
    """Set a limit, or change it. It holds within half a second in every process, for all of them together.

    Where a deployment with a waitlist has too little left for it, the answer is 202 with its place in the line: what
    held before still does, and to ask again changes nothing.
    """
    if body.requests_per_minute is None and body.tokens_per_minute is None:
        raise Invalid(
            "Give 'requests_per_minute', 'tokens_per_minute' or both. DELETE takes a limit away.", code="empty_limit"
        )
    with platform.database.write() as tx:
        project_id = _project(tx, caller, body.project)
        scope, subject = _place(tx, project_id, body)
        wanted = (body.requests_per_minute, body.tokens_per_minute)
        made = capacity.ask_for_limit(tx, caller.key_id, project_id, scope, subject, *wanted)
    if isinstance(made, InLine):
        response.status_code = 202
        return in_line(made.waiting, made)
    return _wire(made)


@router.get("")
def list_limits(platform: PlatformParts, caller: AdminCaller, project: str | None = None) -> dict[str, Any]:
    """List the limits of the caller's project, or of another one of the organization."""
    with platform.database.read() as tx:
        found = limits.list_limits(tx, _project(tx, caller, project))
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.delete("/{limit_id}")
def remove_limit(
    limit_id: str, platform: PlatformParts, caller: AdminCaller, project: str | None = None
) -> dict[str, Any]:
    """Take a limit away, and what waits to take its place."""
    with platform.database.write() as tx:
        capacity.drop_limit(tx, caller.key_id, _project(tx, caller, project), limit_id)
    return {"id": limit_id, "object": "limit", "deleted": True}


def _project(tx: Transaction, caller: Caller, wanted: str | None) -> str:
    return identity.find_project(tx, caller.project_id, wanted).id if wanted else caller.project_id


def _place(tx: Transaction, project_id: str, body: NewLimit) -> tuple[Scope, str]:
    """What the limit is of. Raises Invalid for both or an alias, NotFound for a key of another project."""
    if body.key is not None and body.model is not None:
        raise Invalid("A limit is of a key or of a model, not of both.", code="invalid_limit", param="key")
    if body.key is not None:
        if body.key not in [key.id for key in identity.list_keys(tx, project_id)]:
            raise NotFound(
                f"There is no key '{body.key}' in this project. GET /v1/keys lists them.",
                code="key_not_found",
                param="key",
            )
        return "key", body.key
    if body.model is not None:
        for alias in catalog.list_aliases(tx, project_id):
            if alias.name == body.model:
                raise Invalid(
                    f"'{alias.name}' is an alias, and may move. Set the limit at the model, '{alias.target}'.",
                    code="limit_of_alias",
                    param="model",
                )
        return "model", body.model
    return "project", ""


def _wire(limit: Limit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "object": "limit",
        "project_id": limit.project_id,
        "key": limit.subject if limit.scope == "key" else None,
        "model": limit.subject if limit.scope == "model" else None,
        "requests_per_minute": limit.requests_per_minute,
        "tokens_per_minute": limit.tokens_per_minute,
        "created_at": limit.created_at,
    }
