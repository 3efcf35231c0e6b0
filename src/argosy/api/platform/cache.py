"""``/v1/cache``: whether a project's answers are kept, how many are, and how to throw them away."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from argosy.api.context import AdminCaller, InferenceCaller, Platform, PlatformParts
from argosy.core import Unavailable
from argosy.gateway import cache
from argosy.gateway.cache import AnswerCache, Mode

router = APIRouter(prefix="/v1/cache", tags=["cache"])


class NewMode(BaseModel):
    """What is to hold for requests that do not say ``x-argosy-cache`` themselves."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    """``on`` keeps answers in which nothing is drawn at random, ``force`` those too, ``off`` keeps none."""


@router.get("")
def show_cache(request: Request, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """Show what holds for the project, and how many of its answers are kept."""
    return _wire(platform, _cache(request), caller.project_id)


@router.put("")
def put_cache(body: NewMode, request: Request, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Say whether the project's answers are kept. It holds within half a second; what is kept already stays."""
    kept = _cache(request)
    with platform.database.write() as tx:
        cache.put_mode(tx, caller.project_id, body.mode)
    return _wire(platform, kept, caller.project_id)


@router.delete("")
def empty_cache(request: Request, caller: AdminCaller) -> dict[str, Any]:
    """Throw all kept answers of the project away; those of requests that are under way are not kept either."""
    return {"object": "cache", "deleted": True, "entries": _cache(request).empty(caller.project_id)}


def _cache(request: Request) -> AnswerCache:
    found: AnswerCache | None = request.app.state.gateway.cache
    if found is None:
        raise Unavailable(
            "This platform keeps no answers: ARGOSY_CACHE_MB is 0.", code="cache_disabled", retry_after_s=3600
        )
    return found


def _wire(platform: Platform, kept: AnswerCache, project_id: str) -> dict[str, Any]:
    with platform.database.read() as tx:
        mode = cache.stored_mode(tx, project_id)
    entries, size = kept.size(project_id)
    return {"object": "cache", "mode": mode, "entries": entries, "bytes": size}
