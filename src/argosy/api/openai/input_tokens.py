"""POST /v1/responses/input_tokens: how long a response's prompt is, without asking for the response."""

from typing import Any

import msgspec

from argosy.api.openai.responses import ResponsesExchange
from argosy.gateway import Gateway, Request, Served
from argosy.gateway.wires.responses import Archive
from argosy.identity import Caller


class InputTokensExchange(ResponsesExchange):
    """A request to POST /v1/responses/input_tokens. Nothing of it is stored."""

    def __init__(self, gateway: Gateway, archive: Archive, send: Any, request_id: str) -> None:
        super().__init__(archive, send, request_id)
        self._gateway = gateway
        self.ask = self._count

    async def read(self, body: bytes, caller: Caller) -> Request:
        """The chat completion whose prompt is counted, after the responses that it goes on from."""
        return msgspec.structs.replace(await super().read(body, caller), stream=False)

    async def answer(self, body: bytes) -> None:
        """The count."""
        await self.whole(body)

    async def _count(self, request: Request, caller: Caller, request_id: str, served: Served) -> bytes:
        found = await self._gateway.counting.count(request, None, caller, served)
        return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": found})
