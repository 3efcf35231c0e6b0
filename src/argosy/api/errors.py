"""Errors become responses here and nowhere else: the status of each class, and OpenAI's body."""

from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from argosy.core import (
    ArgosyError,
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    OutOfSpace,
    OverBudget,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unpaid,
    UpstreamFailed,
)
from argosy.gateway import Kind
from argosy.gateway.wires import WIRE_PATHS
from argosy.runtime import UNSTORABLE

STATUSES: dict[type[ArgosyError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Unpaid: 402,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    RateLimited: 429,
    OverBudget: 429,
    Internal: 500,
    UpstreamFailed: 502,
    Unavailable: 503,
    OutOfSpace: 507,
}


def status_of(error: ArgosyError) -> int:
    """The HTTP status of an error."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def body_of(error: ArgosyError) -> bytes:
    """OpenAI's error body; ``details`` is there only where an error has some."""
    said: dict[str, Any] = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    if error.details is not None:
        said["details"] = error.details
    return msgspec.json.encode({"error": said})


def headers_of(error: ArgosyError) -> dict[str, str]:
    """Headers that go with an error: how to authenticate, or when to come back."""
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, RateLimited | Unavailable):
        return {"retry-after": str(error.retry_after_s)}
    return {}


def fault() -> Internal:
    """What a caller learns of a fault of ours: nothing but that it is logged."""
    return Internal(
        "Something went wrong on our side; it has been logged. Give the x-request-id header when you report it.",
        code="internal_error",
    )


def handle_errors(app: FastAPI) -> None:
    """Make every error of an application's routes come out in this one shape."""
    app.add_exception_handler(ArgosyError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in UNSTORABLE:
        app.add_exception_handler(kind, _unstorable)
    app.add_exception_handler(Exception, _unknown)


def _respond(error: ArgosyError, status: int | None = None) -> Response:
    return Response(
        body_of(error), status or status_of(error), headers=headers_of(error), media_type="application/json"
    )


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, ArgosyError)
    return _respond(error)


async def _unknown(_: Request, error: Exception) -> Response:
    return _respond(fault())


async def _unstorable(_: Request, error: Exception) -> Response:
    return _respond(
        Invalid("A number in this request is too large, or a text holds the character NUL.", code="invalid_value")
    )


async def _invalid(_: Request, error: Exception) -> Response:
    """FastAPI's own checks of paths, queries and bodies: the first problem is the message, all are in the details."""
    assert isinstance(error, RequestValidationError)
    problems = [
        {"param": ".".join(str(place) for place in problem["loc"][1:]) or None, "message": problem["msg"]}
        for problem in error.errors()
    ]
    first = problems[0]
    missing = error.errors()[0]["type"] == "missing"
    named = f"'{first['param']}': " if first["param"] else ""
    text = (
        f"Missing required parameter: '{first['param']}'."
        if missing
        else f"Invalid value for {named}{first['message']}."
    )
    code = "missing_required_parameter" if missing else "invalid_value"
    return _respond(Invalid(text, code=code, param=first["param"], details=problems if len(problems) > 1 else None))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, status = request.url.path, error.status_code
    if status == 404 and path in _POST_ONLY:
        status = 405
    return _respond(_of_status(status, str(error.detail), request.method, path), status)


def _of_status(status: int, detail: str, method: str, path: str) -> ArgosyError:
    if status == 404:
        return NotFound(f"There is no route '{path}' here; see /openapi.json.", code="route_not_found")
    if status == 413:
        return TooLarge(detail, code="body_too_large")
    if status == 405:
        return Invalid(f"'{path}' does not take {method}; see /openapi.json.", code="method_not_allowed")
    return Invalid(detail, code="invalid_request")


_POST_ONLY = frozenset((*(kind.path for kind in Kind), *WIRE_PATHS))
"""Paths that the data plane serves: FastAPI only ever sees their wrong methods."""
