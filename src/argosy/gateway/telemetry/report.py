"""What became of one request, without anything that it said: the source of its log line, its numbers and its span."""

from datetime import UTC, datetime
from time import perf_counter

import msgspec

from argosy.gateway.plan import Served

CLIENT_GONE = 499
_NOT_ADMITTED = {CLIENT_GONE: "client_gone", 500: "failed"}


class Report(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request at its end. As JSON it is the line in the log, so members are only ever added.

    Names that a client made up are not in it: ``model`` is null until it is known to lead somewhere.
    """

    event: str = "request"
    level: str
    timestamp: datetime
    request_id: str
    project_id: str | None
    key_id: str | None
    path: str
    model: str | None
    """As it was asked for: a model, an alias or a route."""
    target: str | None
    """The model that answered, or was asked last."""
    route: str | None
    attempts: int
    resumed: int
    """How often the answer was cut and carried on."""
    stream: bool
    status: int
    """499: the client left."""
    outcome: str
    """As on the usage row; ``refused`` and the like for what never got that far."""
    error: str | None
    """The code of the error that the client was told."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    estimated: bool
    first_byte_ms: float | None
    total_ms: float
    trace_id: str | None


def report_of(path: str, request_id: str, served: Served, status: int, started: float) -> Report:
    """``started``: by `perf_counter`."""
    caller, request, usage = served.caller, served.request, served.usage
    first = served.first_byte_at
    return Report(
        level="error" if status >= 500 or (served.error and status == 200) else "info",
        timestamp=datetime.now(UTC),
        request_id=request_id,
        project_id=caller.project_id if caller else None,
        key_id=caller.key_id if caller else None,
        path=path,
        model=served.asked or None,
        target=served.target or None,
        route=served.route or None,
        attempts=served.attempts,
        resumed=served.resumed,
        stream=request.stream if request else False,
        status=status,
        outcome=served.outcome or _NOT_ADMITTED.get(status, "refused"),
        error=served.error or None,
        prompt_tokens=usage.prompt if usage else 0,
        cached_tokens=usage.cached if usage else 0,
        completion_tokens=usage.completion if usage else 0,
        estimated=served.estimated,
        first_byte_ms=round((first - started) * 1000, 3) if first else None,
        total_ms=round((perf_counter() - started) * 1000, 3),
        trace_id=served.trace.id if served.trace else None,
    )
