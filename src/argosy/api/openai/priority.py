"""The header by which a client says that nobody waits for its answer."""

from typing import Any

from msgspec import structs

from argosy.api.headers import headers_of_request
from argosy.core import Invalid
from argosy.gateway import Request

_HEADER = b"x-argosy-priority"


def prioritised(request: Request, scope: Any) -> Request:
    """The request in its class: ``x-argosy-priority: batch`` waits behind all that are interactive. Raises Invalid."""
    given = headers_of_request(scope).get(_HEADER)
    if given is None or given == b"interactive":
        return request
    if given == b"batch":
        return structs.replace(request, batch=True)
    raise Invalid("The header 'x-argosy-priority' is 'interactive' or 'batch'.", code="invalid_priority")
