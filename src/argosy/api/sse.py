"""Answers on the raw ASGI wire: whole, as server-sent events, or as an error, in-band after the first byte."""

from collections.abc import Callable
from time import perf_counter
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
        self.limits: Callable[[], dict[str, str]] = dict
        """Headers about the caller's limits, read when the head goes out."""

    async def whole(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """A JSON body, at once."""
        await self._head(status, b"application/json", [(b"content-length", b"%d" % len(body))], headers or {})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, body: bytes) -> None:
        """The first part of a JSON body."""
        await self._head(200, b"application/json", [], {})
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes) -> None:
        """The last part of a body that `begin` began."""
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
        self.served.error = error.code
        if self.status:
            await self._send({"type": "http.response.body", "body": self.failed(error)})
        else:
            await self.refuse(error)

    def failed(self, error: ArgosyError) -> bytes:
        """The events that end a broken stream."""
        return b"data: " + body_of(error) + b"\n\n"

    async def refuse(self, error: ArgosyError) -> None:
        """An error as the whole response."""
        await self.whole(body_of(error), status_of(error), headers_of(error))

    async def _head(
        self, status: int, content_type: bytes, more: list[tuple[bytes, bytes]], headers: dict[str, str]
    ) -> None:
        self.status, self.served.first_byte_at = status, perf_counter()
        named = [(name.encode(), value.encode()) for name, value in (headers | self.limits()).items()]
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
