"""One HTTP/1.1 connection to an engine or a provider, and the one answer that is on its way on it.

Invariants:
- only an answer that was read to its very end, with nothing behind it, leaves its connection usable;
- a connection whose answer is left half read is closed at once, which is how an engine learns that it may stop;
- what waits in memory is bounded: a reader that is slow stops the sender, and heads, trailers and chunk extensions
  have a limit.
"""

import asyncio
import socket
from collections.abc import Callable

import httptools

from argosy.core import UpstreamFailed

HEAD_BYTES_MAX = 64 << 10
"""Bytes in a row that are not body: heads, interim answers, trailers, chunk extensions."""
WAITING_BYTES_MAX = 256 << 10
"""Once more than this waits for its reader, nothing more is taken from the socket."""
BODY_BYTES_MAX = 256 << 20
"""A whole answer may not be longer: 2048 embeddings of 8192 numbers fit."""
_COPIED_BYTES_MAX = 64 << 10
CLOSES_S = 0.003
"""Within this time after a stream a peer closes that does so: llama.cpp, which says that it keeps the connection."""


class NotReached(Exception):
    """The engine did not take the request: it is not there, or it says that it is not ready."""


class Lost(Exception):
    """The engine took the request and then went away, or what it sends is not HTTP."""


class Silent(UpstreamFailed):
    """The engine took the request and then sent nothing for too long."""

    def __init__(self) -> None:
        super().__init__("The engine has been silent for too long. Please try again.", code="engine_timeout")


class Response:
    """An answer as it comes. Its status is there from the start; its body is read by `read` or, in turn, `piece`."""

    __slots__ = (
        "_connection",
        "_pieces",
        "_waiter",
        "ended",
        "failure",
        "headers",
        "paused",
        "status",
        "waiting_bytes",
    )

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.waiting_bytes = 0
        """Bytes of the body that came in and were not read yet."""
        self.ended = False
        """Whether all of the body has come in."""
        self.failure: Exception | None = None
        self.paused = False
        """Whether the sender has to wait for the reader."""

    async def piece(self) -> bytes:
        """What came in since the last call, at least one byte; empty at the end. Raises Lost and Silent."""
        while not self._pieces:
            if self.ended:
                return b""
            await self.change()
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.waiting_bytes = 0
        if self.paused:
            self._connection.resume()
        return data

    async def read(self) -> bytes:
        """The whole body. Raises Lost, also for one that is over `BODY_BYTES_MAX`, and Silent."""
        body = await self.piece()
        if self.ended and not self._pieces:
            return body
        whole = bytearray(body)
        while piece := await self.piece():
            whole += piece
            if len(whole) > BODY_BYTES_MAX:
                raise Lost
        return bytes(whole)

    async def start(self, size_bytes: int) -> bytes:
        """The first bytes of the body, or all of it if it is shorter. Raises Lost and Silent."""
        start = b""
        while len(start) < size_bytes and (piece := await self.piece()):
            start += piece
        return start[:size_bytes]

    def header(self, name: bytes) -> bytes | None:
        """The value of a header; ``name`` in small letters."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def leave(self) -> None:
        """Nothing more is wanted of it."""
        if not self.ended:
            self._connection.abort()

    async def change(self) -> None:
        """Wait until something is new. Raises Lost and Silent."""
        if self.failure:
            raise self.failure
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def add(self, data: bytes) -> None:
        """More of the body."""
        self._pieces.append(data)
        self.waiting_bytes += len(data)

    def wake(self) -> None:
        """Something is new."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """Asks one thing at a time. ``released`` is told when it is free again, ``lost`` when it is no more."""

    transport: asyncio.Transport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        released: Callable[["Connection"], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.loop, self._socket, self._released, self._lost = loop, sock, released, lost
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._keeps = False
        self._other_bytes = 0
        self.heard_at = loop.time()
        """When the last byte came or, if that was later, when we began to listen for one."""

    def ask(self, head: bytes, body: bytes) -> Response:
        """Send a request. Its answer has a status once `Response.change` has been awaited often enough."""
        self._response = response = Response(self)
        self._other_bytes = 0
        self.heard_at = self.loop.time()
        if len(body) < _COPIED_BYTES_MAX:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        return response

    def is_usable(self, tls: bool) -> bool:
        """Whether the other side has neither closed it nor sent what nobody asked for, as far as the kernel knows."""
        if self.transport.is_closing():
            return False
        try:
            unasked = self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return tls and bool(unasked)  # on TLS it may be a new session's ticket, which is not for us to judge

    def is_silent(self, since: float) -> bool:
        """Whether a reader waits and nothing has come after ``since``, in the loop's time."""
        return self._response is not None and not self._response.paused and self.heard_at < since

    def fail(self, error: Exception) -> None:
        """Close it; whoever reads its answer gets the error after what had come in."""
        response, self._response = self._response, None
        if response is not None:
            response.failure = error
            response.wake()
        self.abort()

    def abort(self) -> None:
        """Close it at once, whatever is on its way."""
        self._response = None
        self.transport.abort()

    def resume(self) -> None:
        """The reader is back."""
        if self._response is not None:
            self._response.paused = False
            self.heard_at = self.loop.time()
            self.transport.resume_reading()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Bytes came, in whatever pieces."""
        response = self._response
        if response is None:  # nothing was asked
            self.abort()
            return
        self.heard_at = self.loop.time()
        before = response.waiting_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keeps = False
            if not response.ended:
                self.fail(Lost())
                return
        if response.ended:
            self._end(response)
        elif response.waiting_bytes > before:
            self._other_bytes = 0
            if response.waiting_bytes > WAITING_BYTES_MAX and not response.paused:
                response.paused = True
                self.transport.pause_reading()
        else:
            self._other_bytes += len(data)
            if self._other_bytes > HEAD_BYTES_MAX:
                self.fail(Lost())
        response.wake()

    def eof_received(self) -> None:
        """The other side sends no more, which ends an answer that has no length. The loop closes our side."""
        response = self._response
        if response is None or not response.status:
            return
        if response.header(b"content-length") is None and response.header(b"transfer-encoding") is None:
            self._keeps, response.ended = False, True
            self._end(response)
            response.wake()

    def connection_lost(self, error: Exception | None) -> None:
        """It is no more."""
        if self._response is not None:
            self.fail(Lost())
        self._lost(self)

    def _end(self, response: Response) -> None:
        self._response = None
        if response.paused:
            response.paused = False
            self.transport.resume_reading()
        if self._keeps and not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            if response.header(b"content-length") is None:
                self.loop.call_later(CLOSES_S, self._released, self)
            else:
                self._released(self)
        else:
            self.transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """The first byte of an answer. Raises Lost for one that nobody asked for."""
        if self._response is None or self._response.ended:
            raise Lost

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of a head or a trailer."""
        self._response.headers.append((name, value))  # type: ignore[union-attr]

    def on_headers_complete(self) -> None:
        """The end of a head."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._response.status = status  # type: ignore[union-attr]

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        self._response.add(data)  # type: ignore[union-attr]

    def on_message_complete(self) -> None:
        """The end of an answer."""
        response = self._response
        assert response is not None
        if response.status:
            self._keeps, response.ended = self._parser.should_keep_alive(), True
        else:  # an interim answer, such as 100 Continue
            response.headers.clear()
