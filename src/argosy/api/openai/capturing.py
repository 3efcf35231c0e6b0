"""Whether a request of a project that captures is one of those to keep. The client may say no, and never yes."""

from typing import Any

from msgspec import structs

from argosy.core import Invalid
from argosy.gateway import Request
from argosy.gateway.capture import CaptureSpec

_HEADER = b"x-argosy-capture"


def with_capture(request: Request, scope: Any, spec: CaptureSpec, request_id: str) -> Request:
    """The request, marked if it is to be kept. Raises Invalid for a header that is neither ``on`` nor ``off``."""
    said = {value.strip().lower() for name, value in scope["headers"] if name == _HEADER}
    if not said <= {b"on", b"off"}:
        raise Invalid(
            "The header 'x-argosy-capture' is 'off' for a request that must not be kept, or 'on' for what its project "
            "has set.",
            code="invalid_capture_mode",
        )
    if b"off" in said or not request.kind.completes or not spec.takes(request_id, request.model):
        return request
    return structs.replace(request, capture=True)
