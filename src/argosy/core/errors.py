"""The few errors that reach a caller. Each has a stable ``code``; `argosy.api.errors` turns them into OpenAI's body."""


class ArgosyError(Exception):
    """Base of all errors that a caller may see. ``message`` says what is wrong and what to do next.

    ``code`` is stable and documented, ``param`` names the request field at fault, if any; ``details`` is JSON-able
    extra information that is shown beside the message (for instance all the bad lines of a file).
    """

    type = "server_error"

    def __init__(self, message: str, *, code: str, param: str | None = None, details: object = None) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.details = message, code, param, details


class Invalid(ArgosyError):
    """The request cannot be carried out as written (400)."""

    type = "invalid_request_error"


class Unauthenticated(ArgosyError):
    """No key, or one that is unknown or revoked (401)."""

    type = "authentication_error"


class Forbidden(ArgosyError):
    """The key is good, but may not do this (403)."""

    type = "permission_error"


class NotFound(ArgosyError):
    """No such thing, or it belongs to another project: the two must look alike (404)."""

    type = "invalid_request_error"


class Conflict(ArgosyError):
    """The thing is in a state that does not allow this (409)."""

    type = "invalid_request_error"


class TooLarge(ArgosyError):
    """The body or file is over the limit (413)."""

    type = "invalid_request_error"


class _Later(ArgosyError):
    """An error that may pass: ``retry_after_s`` becomes the Retry-After header."""

    def __init__(self, message: str, *, code: str, retry_after_s: int = 1, param: str | None = None) -> None:
        super().__init__(message, code=code, param=param)
        self.retry_after_s = retry_after_s


class RateLimited(_Later):
    """Too many requests or tokens (429)."""

    type = "rate_limit_error"


class Unavailable(_Later):
    """Nothing can answer this just now (503)."""

    type = "service_unavailable"


class OverBudget(ArgosyError):
    """A budget that applies has too little left (429)."""

    type = "insufficient_quota"


class Unpaid(ArgosyError):
    """What was paid ahead does not cover this (402)."""

    type = "insufficient_quota"


class UpstreamFailed(ArgosyError):
    """An engine or provider answered with a failure of its own (502)."""

    type = "upstream_error"


class OutOfSpace(ArgosyError):
    """The disk is full (507)."""

    type = "server_error"


class Internal(ArgosyError):
    """A fault of ours (500)."""

    type = "server_error"
