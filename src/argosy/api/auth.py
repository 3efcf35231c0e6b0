"""Who is calling, for routes that are plain ASGI. The others use the dependencies in `argosy.api.context`."""

from typing import Any

from argosy.api.context import identify
from argosy.api.headers import headers_of_request
from argosy.core import Forbidden
from argosy.identity import Caller, KeyRing


def authorization(scope: Any) -> bytes:
    """The ``Authorization`` header of an ASGI request, empty if there is none."""
    return headers_of_request(scope).get(b"authorization", b"")


def caller_of(scope: Any, keys: KeyRing, needs: str, bare: bytes | None = None) -> Caller:
    """The caller of an ASGI request whose key has the scope ``needs``. Raises Unauthenticated, Forbidden.

    ``bare`` names a header that may hold the key alone, and then goes before Authorization.
    """
    found = headers_of_request(scope)
    header = found.get(b"authorization", b"")
    if bare and (value := found.get(bare)):
        header = b"Bearer " + value
    caller = identify(keys, header.decode("latin-1"))
    if not caller.may(needs):
        raise Forbidden(
            f"This key does not have the scope '{needs}'. Ask an administrator for one that has.",
            code="missing_scope",
        )
    return caller
