"""``/v1/capture``: whether a project's requests are kept for feedback, which of them, and what is taken out first."""

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from argosy.api.context import AdminCaller, MemberCaller, Platform, PlatformParts
from argosy.core import Unavailable
from argosy.gateway.capture import Capture, CaptureSpec
from argosy.gateway.capture.spec import BYTES_LIMIT, DAYS_MAX, ROWS_LIMIT
from argosy.gateway.capture.store import kept, put_spec, stored_spec
from argosy.redaction.document import PATTERNS_LIMIT, Pattern, Rules

router = APIRouter(prefix="/v1/capture", tags=["capture"])
_Builtin = Literal["api_key", "email", "id_card", "bank_card", "phone", "ip"]
_DEFAULT = CaptureSpec()


class NewPattern(BaseModel):
    """A regular expression of the project's own. What it matches is replaced by its name in brackets."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    pattern: str


class NewRedaction(BaseModel):
    """What is taken out before anything is stored."""

    model_config = ConfigDict(extra="forbid")

    builtin: list[_Builtin] = Field(default=list(get_args(_Builtin)), max_length=len(get_args(_Builtin)))
    patterns: list[NewPattern] = Field(default=[], max_length=PATTERNS_LIMIT)
    drop: list[Literal["system", "user", "tool_arguments"]] = Field(default=[], max_length=3)
    """Left out whole: system messages, the request's ``user``, the arguments of tool calls."""


class NewCapture(BaseModel):
    """What is to be kept from now on."""

    model_config = ConfigDict(extra="forbid")

    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = _DEFAULT.share
    """Of the requests."""
    models: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)] = []
    """Names that requests ask by: models, aliases, routes. Empty: all."""
    redaction: NewRedaction = NewRedaction()
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = _DEFAULT.days
    """How long a request is kept; holds for those that are kept already too."""
    rows_max: Annotated[int, Field(ge=1, le=ROWS_LIMIT)] = _DEFAULT.rows_max
    bytes_max: Annotated[int, Field(ge=1 << 16, le=BYTES_LIMIT)] = _DEFAULT.bytes_max

    @field_validator("share", "days", "rows_max", "bytes_max", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise ValueError("Input should be a number")
        return value

    def spec(self) -> CaptureSpec:
        """As the gateway knows it."""
        redaction = self.redaction
        rules = Rules(
            tuple(dict.fromkeys(redaction.builtin)),
            tuple(Pattern(one.name, one.pattern) for one in redaction.patterns),
            tuple(dict.fromkeys(redaction.drop)),
        )
        return CaptureSpec(self.share, tuple(self.models), rules, self.days, self.rows_max, self.bytes_max)


@router.get("")
def show_capture(platform: PlatformParts, caller: MemberCaller) -> dict[str, Any]:
    """Show what holds for the project, and how much is kept. Every key may know."""
    return _wire(platform, caller.project_id)


@router.put("")
def put_capture(body: NewCapture, request: Request, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Keep requests from now on, or change which. It holds within half a second in every process."""
    spec = body.spec()
    for pattern in spec.rules.patterns:
        capture_of(request).redactor.check(pattern)
    with platform.database.write() as tx:
        put_spec(tx, caller.project_id, spec)
    return _wire(platform, caller.project_id)


@router.delete("")
def stop_capture(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Keep no more. What is kept already stays until its days are over; DELETE /v1/captures deletes it."""
    with platform.database.write() as tx:
        put_spec(tx, caller.project_id, None)
    return _wire(platform, caller.project_id)


def capture_of(request: Request) -> Capture:
    """What keeps requests in this process. Raises Unavailable where nothing does."""
    found: Capture | None = request.app.state.gateway.capture
    if found is None:
        raise Unavailable("This process keeps no requests.", code="capture_disabled", retry_after_s=3600)
    return found


def _wire(platform: Platform, project_id: str) -> dict[str, Any]:
    with platform.database.read() as tx:
        spec, (rows, size) = stored_spec(tx, project_id), kept(tx, project_id)
    shown: dict[str, Any] = {"object": "capture.settings", "enabled": spec is not None}
    if spec is not None:
        shown |= {
            "share": spec.share,
            "models": list(spec.models),
            "redaction": {
                "builtin": list(spec.rules.builtin),
                "patterns": [{"name": one.name, "pattern": one.pattern} for one in spec.rules.patterns],
                "drop": list(spec.rules.drop),
            },
            "days": spec.days,
            "rows_max": spec.rows_max,
            "bytes_max": spec.bytes_max,
        }
    return {**shown, "rows": rows, "bytes": size}
