"""A request's headers by name, put together once for all who look for one."""

from collections.abc import Mapping
from typing import Any

_FOUND = "argosy.headers"


def headers_of_request(scope: Any) -> Mapping[bytes, bytes]:
    """By name in small letters; of a header that is there more than once, the first counts."""
    found: Mapping[bytes, bytes] | None = scope.get(_FOUND)
    if found is None:
        found = scope[_FOUND] = dict(reversed(scope["headers"]))
    return found
