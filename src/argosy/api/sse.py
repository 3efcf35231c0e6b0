"""Answers on the raw ASGI wire: whole, as server-sent events, or as an error, in-band after the first byte."""

from typing import Any

from argosy.api.errors import body_of, headers_of, status_of
from argosy.core import ArgosyError
from argosy.gateway import Served


class Reply:
    """One response. The head of a stream goes out with its first event, so that earlier errors have a status."""

    def __init__(self, send: Any, request_id: str) -> None:
        self._send, self._id = send, request_id.encode()
        self.served = Served()
        """Who answered, for the head: to be handed to the gateway."""
        self.status = 0
        """0 until the head has gone out."""

    async def whole(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """A JSON body, at once."""
        await self._head(status, b"application/json", [(b"content-length", b"%d" % len(body))], headers or {})
        await self._send({"type": "http.response.body", "body": body})

    async def event(self, data: bytes) -> None:
        """One or more events, already written as such."""
        if not self.status:
            await self._head(200, b"text/event-stream; charset=utf-8", _STREAMING, {})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """The end of a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, error: ArgosyError) -> None:
        """Tell of an error: by status if nothing went out yet, else as the last event, with no [DONE] after it."""
        if self.status:
            await self._send({"type": "http.response.body", "body": b"data: " + body_of(error) + b"\n\n"})
        else:
            await self.whole(body_of(error), status_of(error), headers_of(error))

    async def _head(
        self, status: int, content_type: bytes, more: list[tuple[bytes, bytes]], headers: dict[str, str]
    ) -> None:
        self.status = status
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        start = [(b"content-type", content_type), (b"x-request-id", self._id), *more, *named]
        if self.served.attempts:
            start.append((b"x-argosy-target", self.served.target.encode()))
            start.append((b"x-argosy-attempts", b"%d" % self.served.attempts))
        if self.served.cache:
            start.append((b"x-argosy-cache", self.served.cache.encode()))
            if self.served.cache == "hit":
                start.append((b"age", b"%d" % self.served.age_s))
        await self._send({"type": "http.response.start", "status": status, "headers": start})


_STREAMING = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
