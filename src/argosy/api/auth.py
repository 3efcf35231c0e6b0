"""Who is calling, for routes that are plain ASGI. The others use the dependencies in `argosy.api.context`."""

from typing import Any

from argosy.api.context import identify
from argosy.core import Forbidden
from argosy.identity import Caller, KeyRing


def authorization(scope: Any) -> bytes:
    """The ``Authorization`` header of an ASGI request, empty if there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            found: bytes = value
            return found
    return b""


def caller_of(scope: Any, keys: KeyRing, needs: str, bare: bytes | None = None) -> Caller:
    """The caller of an ASGI request whose key has the scope ``needs``. Raises Unauthenticated, Forbidden.

    ``bare`` names a header that may hold the key alone, and then goes before Authorization.
    """
    header = authorization(scope)
    if bare:
        header = next((b"Bearer " + value for name, value in scope["headers"] if name == bare and value), header)
    caller = identify(keys, header.decode("latin-1"))
    if not caller.may(needs):
        raise Forbidden(
            f"This key does not have the scope '{needs}'. Ask an administrator for one that has.",
            code="missing_scope",
        )
    return caller
