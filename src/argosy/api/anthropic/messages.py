"""POST /v1/messages: Anthropic's wire over a chat completion."""

from typing import Any

import msgspec

from argosy.api.auth import caller_of
from argosy.api.errors import headers_of, status_of
from argosy.api.exchange import Exchange
from argosy.api.sse import Headers
from argosy.core import ArgosyError, Unavailable
from argosy.gateway import Kind, Request, parse
from argosy.gateway.wires.messages import Writer, error_body, read
from argosy.identity import Caller, KeyRing

_OVERLOADED = 529
_TIMED_OUT = 504
_PARAMS = {"stop": "stop_sequences", "response_format": "output_config.format"}
"""Members of the chat completion that an engine may complain about, by what they are called here."""


class MessagesExchange(Exchange):
    """A request to POST /v1/messages."""

    _writer: Writer

    def __init__(self, send: Any, request_id: str) -> None:
        super().__init__(Kind.CHAT, send, request_id)
        self._request_id = request_id

    def caller(self, scope: Any, keys: KeyRing) -> Caller:
        """Who is asking: the key may stand alone in ``x-api-key``."""
        return caller_of(scope, keys, "inference", bare=b"x-api-key")

    async def read(self, body: bytes, caller: Caller) -> Request:
        """The chat completion that is asked for."""
        asked = read(body)
        self._params = _PARAMS
        self._writer = Writer("msg_" + self._request_id.removeprefix("req_"), asked.model)
        return msgspec.structs.replace(parse(Kind.CHAT, asked.chat), wire="message")

    async def answer(self, body: bytes) -> None:
        """The message."""
        await self.whole(self._writer.whole(body))

    async def event(self, data: bytes) -> None:
        """Events of the chat stream."""
        if translated := self._writer.feed(data):
            await super().event(translated)

    async def end(self) -> None:
        """The end of a complete stream."""
        await super().event(self._writer.close())
        await super().end()

    def failed(self, error: ArgosyError) -> bytes:
        """An error event."""
        return b"event: error\ndata: " + self._told(error) + b"\n\n"

    async def refuse(self, error: ArgosyError) -> None:
        """An error in Anthropic's body."""
        await self.whole(self._told(error), _status(error), headers_of(error))

    def _head(self, status: int, content_type: bytes, more: Headers, headers: dict[str, str] | None = None) -> Headers:
        return super()._head(status, content_type, [*more, (b"request-id", self._id)], headers)

    def _told(self, error: ArgosyError) -> bytes:
        return msgspec.json.encode(error_body(error, self._request_id))


def _status(error: ArgosyError) -> int:
    """Anthropic's status: it has one of its own for what is too busy."""
    if isinstance(error, Unavailable):
        return _OVERLOADED
    return _TIMED_OUT if error.code == "engine_timeout" else status_of(error)
