"""Answers on the raw ASGI wire: whole, as server-sent events, or as an error, in-band after the first byte."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from argosy.api.errors import body_of, headers_of, status_of
from argosy.core import ArgosyError
from argosy.gateway import Served

Headers = list[tuple[bytes, bytes]]
AtOnce = Callable[[int, Headers, bytes], bool]
"""Given status, headers and body; says whether it has sent them. If not, they go the usual way."""


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
        self.at_once: AtOnce | None = None
        """A server's shorter way for a whole answer."""

    async def whole(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """A JSON body, at once."""
        length = [(b"content-length", b"%d" % len(body))]
        head = self._head(status, b"application/json", length, headers)
        if self.at_once is None or not self.at_once(status, head, body):
            await self._send({"type": "http.response.start", "status": status, "headers": head})
            await self._send({"type": "http.response.body", "body": body})

    async def begin(self, body: bytes) -> None:
        """The first part of a JSON body."""
        await self._start(b"application/json", [])
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes) -> None:
        """The last part of a body that `begin` began."""
        await self._send({"type": "http.response.body", "body": body})

    async def event(self, data: bytes) -> None:
        """One or more events, already written as such."""
        if not self.status:
            await self._start(b"text/event-stream; charset=utf-8", _STREAMING)
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

    async def _start(self, content_type: bytes, more: Headers) -> None:
        """The head of an answer whose length is not known."""
        head = self._head(200, content_type, more)
        await self._send({"type": "http.response.start", "status": 200, "headers": head})

    def _head(self, status: int, content_type: bytes, more: Headers, headers: dict[str, str] | None = None) -> Headers:
        """The headers of an answer that goes out now."""
        served = self.served
        self.status, served.first_byte_at = status, perf_counter()
        head = [(b"content-type", content_type), (b"x-request-id", self._id), *more]
        for named in (headers, self.limits()):
            if named:
                head += [(name.encode(), value.encode()) for name, value in named.items()]
        if served.attempts:
            head.append((b"x-argosy-target", served.target.encode()))
            head.append((b"x-argosy-attempts", b"%d" % served.attempts))
        if served.cache:
            head.append((b"x-argosy-cache", served.cache.encode()))
            if served.cache == "hit":
                head.append((b"age", b"%d" % served.age_s))
        if status == 200 and served.request is not None and served.request.capture:
            head.append((b"x-argosy-capture", b"on"))
        return head


_STREAMING = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
