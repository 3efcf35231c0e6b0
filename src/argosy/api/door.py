"""One client's connection: uvicorn's HTTP on httptools, with an end to everything that could go on for ever.

Invariants: a request's head is bounded in bytes and in lines; a request that does not become whole in time, and a
client that does not read its answer, are cut off; what is refused here is refused in OpenAI's shape. A request that
comes in one piece, and an answer that is read as it is written, cost no timer.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from argosy.api.errors import body_of
from argosy.api.unread import ReaderWatch
from argosy.core import Invalid


@dataclass(frozen=True)
class DoorLimits:
    """What a client may take its time for, and send."""

    head_bytes: int = 64 << 10
    """Of the request line and all headers."""
    headers: int = 128
    request_s: float = 30.0
    """From a request's first byte, or the connection's beginning, to its last byte."""
    body_bytes_per_s: int = 64 << 10
    """A long body gets a second more for each of these that has come, so that slow lines can upload files."""
    reader_s: float = 30.0
    """Without a client's reading anything, while there is something to read."""


class _HeadTooLarge(Exception):
    """Raised inside the parser, which ends by it."""


class Door(HttpToolsProtocol):
    """A connection. Made by uvicorn, by way of `door`."""

    flow: FlowControl

    def __init__(self, *arguments: Any, limits: DoorLimits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._begun = self._in_head = False
        """Whether a request has begun that is not whole yet, and whether its head is not."""
        self._head_bytes = self._body_bytes = 0
        self._begun_at = 0.0
        self._request_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there. It gets as long for its first byte as for a request."""
        super().connection_made(transport)
        self._reader = ReaderWatch(self.loop, transport, self._limits.reader_s)
        # asyncio leaves this out for sockets that were made without naming their protocol. An answer is two writes, of
        # which the second would wait for the client's delayed acknowledgement of the first: 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._stop_request_timer()
        self._reader.stop()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Some bytes of one or more requests."""
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._begun:  # most requests come in one piece
            if self._request_timer is not None:
                self._stop_request_timer()
            return
        if self.parser is None or self.transport.is_closing():
            return
        if self._request_timer is None:
            self._await_request()
        # Lines of a trailer come to the headers too.
        if (self._in_head and self._head_bytes > self._limits.head_bytes) or self._too_many_headers():
            self._refuse(431, _head_too_large(self._limits))

    def on_message_begin(self) -> None:
        """From the parser."""
        super().on_message_begin()
        self._begun = self._in_head = True
        self._body_bytes = 0
        if self._request_timer is not None:
            self._stop_request_timer()

    def on_headers_complete(self) -> None:
        """From the parser."""
        limits = self._limits
        if len(self.headers) > limits.headers or (self._head_bytes > limits.head_bytes and self._long_head()):
            raise _HeadTooLarge
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """From the parser."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """From the parser."""
        super().on_message_complete()
        self._begun = False
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take."""
        if self._in_head and self.headers and (self._too_many_headers() or self._long_head()):
            self._refuse(431, _head_too_large(self._limits))
        else:
            self._refuse(400, Invalid("This is not a valid HTTP request.", code="invalid_http"))

    def _too_many_headers(self) -> bool:
        return len(self.headers or ()) > self._limits.headers

    def _long_head(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > self._limits.head_bytes

    def _await_request(self) -> None:
        self._begun_at = self.loop.time()
        self._request_timer = self.loop.call_later(self._limits.request_s, self._request_is_late)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
        self._request_timer = None

    def _request_is_late(self) -> None:
        self._request_timer = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.pipeline or (self._in_head and answering):  # its turn has not come
            self._await_request()
            return
        left_s = self._begun_at + self._limits.request_s - self.loop.time()
        if answering:
            left_s += self._body_bytes / self._limits.body_bytes_per_s
        if left_s > 0:
            self._request_timer = self.loop.call_later(left_s, self._request_is_late)
        elif self._begun and (answering or self._in_head):
            self._refuse(408, Invalid("The request did not come in time. Please try again.", code="request_timeout"))
        else:  # nothing has been asked, or it is answered already
            self.transport.close()

    def _refuse(self, status: int, error: Invalid) -> None:
        """Answer, unless an answer is under way, and close."""
        body = body_of(error)
        free = self.cycle is None or self.cycle.response_complete
        if free or not (self._in_head or self.pipeline or self.cycle.response_started):
            named = (b"content-type: application/json", b"content-length: %d" % len(body), b"connection: close")
            self.transport.write(STATUS_LINE[status] + b"\r\n".join((*named, b"", body)))
        self.transport.close()
        self._reader.start()

    # What goes out.

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        super().pause_writing()
        self._reader.start()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._reader.stop()

    def on_response_complete(self) -> None:
        """All is written, if not yet read."""
        super().on_response_complete()
        self._reader.start()


def door(limits: DoorLimits) -> Callable[..., Door]:
    """What uvicorn makes connections with."""

    def made(*arguments: Any, **named: Any) -> Door:
        return Door(*arguments, limits=limits, **named)

    return made


def _head_too_large(limits: DoorLimits) -> Invalid:
    return Invalid(
        f"The request's head is over {limits.head_bytes} bytes or {limits.headers} headers.", code="head_too_large"
    )
