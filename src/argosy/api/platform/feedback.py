"""``/v1/feedback``: what the users of an application say of the answers that they got."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from argosy.api.context import InferenceCaller, Platform, PlatformParts, vault_of
from argosy.api.platform.capture import capture_of
from argosy.api.platform.captures import not_captured
from argosy.core import Invalid
from argosy.gateway.capture.feedback import WORDS_MAX, Words, request_id_of, said
from argosy.gateway.capture.store import find_capture, put_feedback, stored_spec
from argosy.redaction.document import Rules
from argosy.redaction.redactor import TooSlow

router = APIRouter(prefix="/v1/feedback", tags=["capture"])
_RATINGS = {"up": 1.0, "down": -1.0}
_Number = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class NewFeedback(BaseModel):
    """What one key says of one request. A second time takes the place of the first."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(min_length=1, max_length=100)
    """The ``x-request-id`` of the answer, or the answer's own id."""
    rating: Literal["up", "down"] | _Number
    comment: str | None = Field(default=None, max_length=WORDS_MAX)
    correction: str | None = Field(default=None, max_length=WORDS_MAX)
    """The answer as it should have been."""

    @field_validator("rating", mode="before")
    @classmethod
    def _is_rating(cls, value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, str) and value not in _RATINGS):
            raise ValueError("Input should be 'up', 'down' or a number from -1 to 1")
        return value

    @field_validator("correction")
    @classmethod
    def _says_something(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("A correction should not be empty")
        return value


@router.post("")
def give_feedback(
    body: NewFeedback, request: Request, platform: PlatformParts, caller: InferenceCaller
) -> dict[str, Any]:
    """Rate the answer to a captured request, and say what it should have been."""
    capture, request_id = capture_of(request), request_id_of(body.request_id)
    rating = _RATINGS[body.rating] if isinstance(body.rating, str) else body.rating
    if not _is_there(platform, caller.project_id, request_id):
        capture.settle()  # a client may rate what it got a moment ago
        if not _is_there(platform, caller.project_id, request_id):
            raise not_captured(request_id)
    with platform.database.read() as tx:
        spec = stored_spec(tx, caller.project_id)
    try:
        row = said(
            vault_of(platform), capture.redactor, spec.rules if spec else Rules(),
            project_id=caller.project_id, request_id=request_id, key_id=caller.key_id,
            rating=rating, words=Words(body.comment, body.correction),
        )  # fmt: skip
    except (TooSlow, ValueError):
        raise Invalid(
            "Personal data in this text cannot be looked for: it is too long for the project's patterns.",
            code="redaction_too_slow",
        ) from None
    with platform.database.write() as tx:
        if not put_feedback(tx, row):
            raise not_captured(request_id)
    return {
        "object": "feedback",
        "request_id": request_id,
        "rating": rating,
        "comment": body.comment is not None,
        "correction": body.correction is not None,
    }


def _is_there(platform: Platform, project_id: str, request_id: str) -> bool:
    with platform.database.read() as tx:
        return find_capture(tx, project_id, request_id) is not None
