"""How long the body of a request may be where it is read as a whole."""

from typing import Any

from starlette.exceptions import HTTPException

from argosy.api.headers import headers_of_request
from argosy.core import TooLarge

BODY_BYTES_MAX = 8 << 20


def announced_too_large(scope: Any) -> bool:
    """Whether a request's headers say that it is."""
    announced = headers_of_request(scope).get(b"content-length", b"0")
    return announced.isdigit() and int(announced) > BODY_BYTES_MAX


def bounded(scope: Any, receive: Any) -> Any:
    """A ``receive`` for FastAPI that ends a body which is too large. Uploads have a limit of their own."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if kind.lower().startswith(b"multipart/form-data"):
        return receive
    size = 0

    async def counted() -> Any:
        nonlocal size
        if announced_too_large(scope):  # of those who ask for the body: who does not need it may answer first
            raise HTTPException(413, too_large().message)
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_BYTES_MAX:
            raise HTTPException(413, too_large().message)  # the one error that FastAPI passes on from here
        return message

    return counted


def too_large() -> TooLarge:
    """The error for it."""
    return TooLarge(f"The request body is over the limit of {BODY_BYTES_MAX} bytes.", code="body_too_large")
