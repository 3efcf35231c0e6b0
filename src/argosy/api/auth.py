"""Who is calling, for routes that are plain ASGI. The others use the dependencies in `argosy.api.context`."""

from typing import Any

from argosy.api.context import identify
from argosy.core import Forbidden
from argosy.identity import Caller, KeyRing


def authorization(scope: Any) -> bytes:
    """The ``Authorization`` header of an ASGI request, empty if there is none."""
    return next((value for name, value in scope["headers"] if name == b"authorization"), b"")


def caller_of(scope: Any, keys: KeyRing, needs: str) -> Caller:
    """The caller of an ASGI request whose key has the scope ``needs``. Raises Unauthenticated, Forbidden."""
    caller = identify(keys, authorization(scope).decode("latin-1"))
    if not caller.may(needs):
        raise Forbidden(
            f"This key does not have the scope '{needs}'. Ask an administrator for one that has.",
            code="missing_scope",
        )
    return caller
