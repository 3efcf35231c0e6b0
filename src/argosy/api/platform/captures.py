"""``/v1/captures``: requests that were kept, with what people said of them, and training data made of both."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from argosy.api.context import AdminCaller, Platform, PlatformParts, TuningCaller, vault_of
from argosy.core import NotFound
from argosy.gateway.capture import chat
from argosy.gateway.capture.feedback import content_of, request_id_of, words_of
from argosy.gateway.capture.rows import CaptureRow, FeedbackRow, RatingFilter, Wanted
from argosy.gateway.capture.store import (
    count_captures,
    delete_capture,
    delete_captures,
    find_capture,
    list_captures,
    list_feedback,
)

router = APIRouter(prefix="/v1/captures", tags=["capture"])
_PAGE = 100
_Seconds = Annotated[int | None, Query(ge=0, le=1 << 53)]


def _wanted(
    model: str | None = None, since: _Seconds = None, until: _Seconds = None, rating: RatingFilter | None = None
) -> Wanted:
    return Wanted(model, since, until, rating)


Filters = Annotated[Wanted, Depends(_wanted)]


@router.get("")
def list_all(
    platform: PlatformParts,
    caller: TuningCaller,
    wanted: Filters,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = 20,
) -> dict[str, Any]:
    """List captured requests, newest first, without their content; ``after`` is the last id of the page before."""
    with platform.database.read() as tx:
        last = find_capture(tx, caller.project_id, after) if after else None
        if after and last is None:
            raise not_captured(after)
        found = list_captures(tx, caller.project_id, wanted, limit=limit + 1, after=last)
    page = [_wire(row) for row in found[:limit]]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(found) > limit,
    }


@router.get("/export", response_class=StreamingResponse)
def export(platform: PlatformParts, caller: TuningCaller, wanted: Filters) -> StreamingResponse:
    """Training data as JSONL, oldest first, for POST /v1/files: each answer as it was last corrected, else as it was.

    ``x-argosy-captures`` says how many requests match. Those that training cannot use (tools, pictures, answers that
    did not end of their own and were not corrected) have no line.
    """
    vault = vault_of(platform)
    with platform.database.read() as tx:
        count = count_captures(tx, caller.project_id, wanted)

    def lines() -> Iterator[bytes]:
        for rows, feedback in _pages(platform, caller.project_id, wanted):
            corrections = {
                one.request_id: words_of(vault, one).correction for one in feedback if one.corrects
            }  # the oldest first, so that the last one stands
            page = [chat.row(content_of(vault, row), corrections.get(row.id)) for row in rows]
            yield b"".join(msgspec.json.encode(made) + b"\n" for made in page if made is not None)

    headers = {
        "x-argosy-captures": str(count),
        "content-disposition": 'attachment; filename="captures.jsonl"',
        "cache-control": "no-store",
    }
    return StreamingResponse(lines(), media_type="application/jsonl", headers=headers)


@router.get("/{capture_id}")
def retrieve(capture_id: str, platform: PlatformParts, caller: TuningCaller) -> dict[str, Any]:
    """One captured request, as it was redacted, with all feedback on it."""
    vault, capture_id = vault_of(platform), request_id_of(capture_id)
    with platform.database.read() as tx:
        row = find_capture(tx, caller.project_id, capture_id)
        feedback = list_feedback(tx, caller.project_id, [capture_id])
    if row is None:
        raise not_captured(capture_id)
    content = content_of(vault, row)
    return {
        **_wire(row),
        "messages": content.messages,
        "tools": content.tools,
        "user": content.user,
        "choices": content.choices,
        "feedback": [
            {
                "key_id": one.key_id,
                "rating": one.rating,
                "comment": (words := words_of(vault, one)).comment,
                "correction": words.correction,
                "created_at": one.created_us // 1_000_000,
            }
            for one in feedback
        ],
    }


@router.delete("/{capture_id}")
def delete_one(capture_id: str, platform: PlatformParts, caller: TuningCaller) -> dict[str, Any]:
    """Delete a captured request, and the feedback on it, for good."""
    capture_id = request_id_of(capture_id)
    with platform.database.write() as tx:
        if not delete_capture(tx, caller.project_id, capture_id):
            raise not_captured(capture_id)
    return {"id": capture_id, "object": "capture", "deleted": True}


@router.delete("")
def delete_all(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Delete all captured requests of the project for good. None of those that are under way is kept either."""
    with platform.database.write() as tx:
        gone = delete_captures(tx, caller.project_id)
    return {"object": "captures", "deleted": True, "rows": gone}


def not_captured(capture_id: str) -> NotFound:
    """What is said of a request that is not there."""
    shown = capture_id if len(capture_id) <= 80 else capture_id[:80] + "…"
    return NotFound(
        f"The request '{shown}' is not captured in this project. GET /v1/capture shows which are. One that has just "
        "ended takes a second.",
        code="request_not_captured",
        param="request_id",
    )


def _pages(
    platform: Platform, project_id: str, wanted: Wanted
) -> Iterator[tuple[Sequence[CaptureRow], Sequence[FeedbackRow]]]:
    """All that match, oldest first. No transaction is open between two pages, however slowly a client reads."""
    after = None
    while True:
        with platform.database.read() as tx:
            rows = list_captures(tx, project_id, wanted, limit=_PAGE, after=after, newest=False)
            feedback = list_feedback(tx, project_id, [row.id for row in rows if row.corrected])
        if not rows:
            return
        yield rows, feedback
        after = rows[-1]


def _wire(row: CaptureRow) -> dict[str, Any]:
    """A captured request as it is listed, without anybody's words."""
    return {
        "id": row.id,
        "object": "capture",
        "created_at": row.created_at,
        "model": row.model,
        "served_by": row.served_by,
        "kind": row.kind,
        "outcome": row.outcome,
        "usage": {
            "prompt_tokens": row.prompt_tokens,
            "cached_tokens": row.cached_tokens,
            "completion_tokens": row.completion_tokens,
        },
        "key_id": row.key_id,
        "bytes": len(row.sealed),
        "rating": row.rating,
        "corrected": row.corrected,
    }
