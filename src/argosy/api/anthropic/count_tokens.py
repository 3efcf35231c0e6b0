"""POST /v1/messages/count_tokens: how long a message's prompt is, without asking for the message."""

from typing import Any

import msgspec

from argosy.api.anthropic.messages import MessagesExchange
from argosy.gateway import Gateway, Kind, Request, Served, parse
from argosy.gateway.wires.messages import read_counted
from argosy.identity import Caller


class CountExchange(MessagesExchange):
    """A request to POST /v1/messages/count_tokens."""

    def __init__(self, gateway: Gateway, send: Any, request_id: str) -> None:
        super().__init__(send, request_id)
        self._gateway = gateway
        self.ask = self._count

    async def read(self, body: bytes, caller: Caller) -> Request:
        """The chat completion whose prompt is counted."""
        asked = read_counted(body)
        self._native = body
        return msgspec.structs.replace(parse(Kind.CHAT, asked.chat), wire="message", stream=False)

    async def answer(self, body: bytes) -> None:
        """The count."""
        await self.whole(body)

    async def _count(self, request: Request, caller: Caller, request_id: str, served: Served) -> bytes:
        found = await self._gateway.counting.count(request, self._native, caller, served)
        return msgspec.json.encode({"input_tokens": found})
