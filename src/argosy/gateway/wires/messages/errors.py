"""Errors in Anthropic's shape."""

from typing import Any

from argosy.core import (
    ArgosyError,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    OverBudget,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unpaid,
)

_TYPES: dict[type[ArgosyError], str] = {
    Unauthenticated: "authentication_error",
    Forbidden: "permission_error",
    NotFound: "not_found_error",
    TooLarge: "request_too_large",
    RateLimited: "rate_limit_error",
    OverBudget: "rate_limit_error",
    Unpaid: "billing_error",
    Unavailable: "overloaded_error",
    Invalid: "invalid_request_error",
    Internal: "api_error",
}
_TIMEOUTS = ("engine_timeout",)


def error_type(error: ArgosyError) -> str:
    """What Anthropic calls an error of this kind."""
    if error.code in _TIMEOUTS:
        return "timeout_error"
    return next((name for kind, name in _TYPES.items() if isinstance(error, kind)), "api_error")


def error_body(error: ArgosyError, request_id: str) -> dict[str, Any]:
    """An error, as a body and as the data of an event. Our stable code is among its details."""
    details = {"error_code": error.code, "param": error.param}
    return {
        "type": "error",
        "error": {"type": error_type(error), "message": error.message, "details": details},
        "request_id": request_id,
    }
