"""The header by which a client says whether its answer may be a kept one, and may be kept."""

from typing import Any

from msgspec import structs

from argosy.api.headers import headers_of_request
from argosy.core import Invalid
from argosy.gateway import Request
from argosy.gateway.cache import MODES

_HEADER = b"x-argosy-cache"


def with_cache(request: Request, scope: Any) -> Request:
    """The request with what its ``x-argosy-cache`` says: ``off``, ``on`` or ``force``. Raises Invalid."""
    given = headers_of_request(scope).get(_HEADER)
    if given is None:
        return request
    mode = given.decode("latin-1").strip().lower()
    if mode not in MODES:
        raise Invalid(f"The header 'x-argosy-cache' is one of {', '.join(MODES)}.", code="invalid_cache_mode")
    return structs.replace(request, cache=mode)
