"""``/v1/responses``: asked over the data plane; what was stored is shown and deleted here."""

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from argosy.api.context import InferenceCaller, PlatformParts
from argosy.api.exchange import Exchange
from argosy.core import ArgosyError, NotFound, now
from argosy.gateway import Kind, Request, parse
from argosy.gateway.wires.responses import Archive, Asked, StoredResponse, Writer, read
from argosy.gateway.wires.responses.store import delete_response, find_response
from argosy.identity import Caller

router = APIRouter(prefix="/v1/responses", tags=["Responses"])
_PARAMS = {"messages": "input", "max_tokens": "max_output_tokens", "response_format": "text.format"}
"""Members of the chat completion that an engine may complain about, by what they are called here."""


class ResponsesExchange(Exchange):
    """A request to POST /v1/responses. A response that is to be stored is stored before its last byte goes out."""

    _asked: Asked
    _writer: Writer
    _caller: Caller

    def __init__(self, archive: Archive, send: Any, request_id: str) -> None:
        super().__init__(Kind.CHAT, send, request_id)
        self._archive, self._response_id = archive, "resp_" + request_id.removeprefix("req_")

    async def read(self, body: bytes, caller: Caller) -> Request:
        """The chat completion that is asked for, after the responses that it goes on from."""
        asked = read(body)
        earlier = await self._archive.earlier(caller.project_id, asked.previous) if asked.previous else []
        self._asked, self._caller, self._created_at = asked, caller, now()
        self._params = _PARAMS
        self._writer = Writer(asked.head(self._response_id, self._created_at))
        request = msgspec.structs.replace(parse(Kind.CHAT, asked.chat(earlier)), wire="response")
        self._input = asked.input_json() if asked.stores else ""
        return request

    async def answer(self, body: bytes) -> None:
        """The response. Its first bytes do not wait until it is stored; its last say whether it was."""
        response = self._writer.whole(body)
        if not self._asked.stores:
            await self.whole(msgspec.json.encode(await self._stored(response)))
            return
        await self.begin(msgspec.json.encode(response)[:-1])
        settled = await self._stored(response)
        rest = {name: value for name, value in settled.items() if name not in response}
        await self.finish(b"," + msgspec.json.encode(rest)[1:])

    async def event(self, data: bytes) -> None:
        """Events of the chat stream."""
        if translated := self._writer.feed(data):
            await super().event(translated)

    async def end(self) -> None:
        """The end of a complete stream."""
        await super().event(self._writer.close())
        response = await self._stored(self._writer.response())
        await super().event(self._writer.last(response))
        await super().end()

    def failed(self, error: ArgosyError) -> bytes:
        """A failed response and an error event."""
        return self._writer.fail(error)

    async def _stored(self, response: dict[str, Any]) -> dict[str, Any]:
        """The response with what became of storing it: ``store``, and a warning if it should have been and was not."""
        if not self._asked.stores:
            return {**response, "store": False}
        kept = {**response, "store": True}
        try:
            await self._archive.save(
                StoredResponse(
                    id=self._response_id,
                    project_id=self._caller.project_id,
                    previous_id=self._asked.previous,
                    created_at=self._created_at,
                    input=self._input,
                    body=msgspec.json.encode(kept).decode(),
                )
            )
        except ArgosyError as error:
            return {**response, "store": False, "warnings": [{"code": error.code, "message": error.message}]}
        return kept


@router.get("/{response_id}")
def get_response(response_id: str, parts: PlatformParts, caller: InferenceCaller) -> Response:
    """Show a stored response."""
    return Response(_find(response_id, parts, caller).body, media_type="application/json")


@router.get("/{response_id}/input_items")
def list_input_items(response_id: str, parts: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List what the request brought: all of it, in its order."""
    items = _find(response_id, parts, caller).input_items()
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"],
        "last_id": items[-1]["id"],
        "has_more": False,
    }


@router.delete("/{response_id}")
def delete(response_id: str, parts: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """Forget a stored response. No conversation can go on from it or from what came after it."""
    with parts.database.write() as tx:
        if not delete_response(tx, caller.project_id, response_id):
            raise _missing(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


def _find(response_id: str, parts: PlatformParts, caller: Caller) -> StoredResponse:
    with parts.database.read() as tx:
        found = find_response(tx, caller.project_id, response_id)
    if found is None:
        raise _missing(response_id)
    return found


def _missing(response_id: str) -> NotFound:
    return NotFound(
        f"The response '{response_id}' is not stored in this project.", code="response_not_found", param="response_id"
    )
