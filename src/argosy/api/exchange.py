"""One request and its answer, in the words of the wire that it came over."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from argosy.api.auth import caller_of
from argosy.api.sse import Reply
from argosy.core import ArgosyError
from argosy.gateway import Kind, Request, Served, parse
from argosy.identity import Caller, KeyRing


class Exchange(Reply):
    """On the gateway's own wire nothing is translated; other wires say what is different on theirs.

    The order of calls is `caller`, `read`, then `answer` once, or `event` as often as the gateway has events and `end`
    when the stream is complete. `fail` may end it at any point.
    """

    _params: Mapping[str, str] = MappingProxyType({})
    """Members of the chat completion that an error may be about, by what this wire calls them. Set once it is asked."""

    ask: Callable[[Request, Caller, str, Served], Awaitable[bytes]] | None = None
    """Who gives the whole answer, if that is not the gateway's `answer`. Given what that is given."""

    def __init__(self, kind: Kind, send: Any, request_id: str) -> None:
        super().__init__(send, request_id)
        self._kind = kind

    def caller(self, scope: Any, keys: KeyRing) -> Caller:
        """Who is asking. Raises Unauthenticated, Forbidden."""
        return caller_of(scope, keys, "inference")

    async def read(self, body: bytes, caller: Caller) -> Request:
        """What the gateway is asked. Raises Invalid."""
        return parse(self._kind, body)

    async def fail(self, error: ArgosyError) -> None:
        """Tell of an error, its param named as it is on this wire."""
        error.param = self._params.get(error.param or "", error.param)
        await super().fail(error)

    async def answer(self, body: bytes) -> None:
        """The gateway's whole answer."""
        await self.whole(body)


@dataclass(frozen=True)
class Wire:
    """A path of the data plane."""

    path: str
    open: Callable[[Any, str], Exchange]
    """Given ASGI's ``send`` and the request's id."""
