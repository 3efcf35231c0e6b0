"""The sockets of the data plane: completions that come in the plain form are read here, all else is uvicorn's.

A request in the plain form is what every client of this API sends: POST to one of the paths below, HTTP/1.1, one
Content-Length, nothing that needs a conversation first, and soon whole. Whatever differs in any way, in its grammar or
its meaning, is handed to uvicorn (`door.py`) with its connection, byte for byte as it came, and served the same by the
same application. So there is one strict reader of strange requests, and this one can be simple: it only has to know
what it does not know.

Why it is here at all: on uvicorn's own path of a request, reading it, waiting for a client to leave and writing an
answer cost more than everything that the gateway does in between.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from argosy.api.bodies import BODY_BYTES_MAX
from argosy.api.door import Door, DoorLimits
from argosy.api.unread import ReaderWatch
from argosy.gateway import Kind

GONE = "argosy.gone"
"""In the scope: a function that takes what is to be called should the client leave, or None for nothing any more."""
AT_ONCE = "argosy.at_once"
"""In the scope: a function that sends a whole answer, see `argosy.api.sse.AtOnce`."""
HEAD_BYTES_MAX = 32 << 10
AHEAD_BYTES_MAX = 64 << 10
"""What a client may send ahead of the answer to its request before it has to wait."""

_PATHS = b"|".join(re.escape(kind.path.encode()) for kind in Kind)
_HEAD = re.compile(
    rb"POST (" + _PATHS + rb") HTTP/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
_FIELD = re.compile(rb"([^:]+):[ \t]*([^\r]*?)[ \t]*\r\n")
_STRANGE = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer"))
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_log = logging.getLogger(__name__)


class PlainDoor(asyncio.Protocol):
    """One connection of a client. Made by uvicorn's server in the place of its own class."""

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: DoorLimits,
    ) -> None:
        if not config.loaded:
            config.load()
        self._config, self._state, self._app_state, self._limits = config, server_state, app_state, limits
        self._app: Any = config.app  # without what uvicorn wraps around it for the control plane
        self.loop = _loop or asyncio.get_running_loop()
        self._exchange: Exchange | None = None
        self._pieces: list[bytes] = []
        """What has come in and is not served yet, and how much that is."""
        self._size = self._wanted = 0
        self._found: tuple[str, list[tuple[bytes, bytes]], int] | None = None
        """Path and headers of the request whose body is coming in, and where that begins."""
        self.draining: asyncio.Future[None] | None = None
        """There while the client reads more slowly than we write; done when it has caught up."""
        self._closing = self._reading_paused = False
        self._idle_since = self.loop.time()
        self._idle_s = min(config.timeout_keep_alive, limits.request_s)
        self._timer: asyncio.TimerHandle | None = None

    # What the server and the loop call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self.transport = transport  # type: ignore[assignment]
        self._reader = ReaderWatch(self.loop, self.transport, self._limits.reader_s)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._timer = self.loop.call_later(self._idle_s, self._look_idle)

    def data_received(self, data: bytes) -> None:
        """Bytes came, in whatever pieces."""
        self._pieces.append(data)
        self._size += len(data)
        if self._exchange is None:
            self._next()
        elif self._size > AHEAD_BYTES_MAX and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has left."""
        self._state.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.left()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self.draining = self.loop.create_future()
        self._reader.start()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._reader.stop()
        if self.draining is not None and not self.draining.done():
            self.draining.set_result(None)
        self.draining = None

    def shutdown(self) -> None:
        """The server ends: the answer that is on its way is the last one."""
        self._closing = True
        if self._exchange is None:
            self.transport.close()

    # What an exchange calls.

    def ended(self, clean: bool) -> None:
        """An answer has gone out whole or, if not ``clean``, cannot be: then the client must not take it for whole."""
        self._exchange = None
        self._state.total_requests += 1
        self._reader.start()
        if not clean:
            self.transport.abort()
        elif self._closing:
            self.transport.close()
        else:
            self._idle_since, self._idle_s = self.loop.time(), self._config.timeout_keep_alive
            if self._reading_paused:
                self._reading_paused = False
                self.transport.resume_reading()
            if self._pieces:
                self._next()

    # Reading.

    def _next(self) -> None:
        """Begin with the next request if all of it is there."""
        if self._size < self._wanted:
            return
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = [data]
        found = self._found or self._read_head(data)
        if found is None:
            return
        path, headers, start = self._found = found
        if self._size < self._wanted:
            return
        rest = data[self._wanted :]
        body = data[start : self._wanted]
        self._pieces, self._size = [rest] if rest else [], len(rest)
        self._found, self._wanted = None, 0
        self._exchange = exchange = Exchange(self, body)
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers,
            GONE: exchange.on_leaving,
            AT_ONCE: exchange.at_once,
        }
        exchange.begin(self._app(scope, exchange.receive, exchange.send), self._state.tasks)

    def _read_head(self, data: bytes) -> tuple[str, list[tuple[bytes, bytes]], int] | None:
        """Path, headers and where the body starts; None if the head is not whole yet or is not for us."""
        head = _HEAD.match(data, 0, HEAD_BYTES_MAX)
        if head is None:
            if b"\r\n\r\n" in data or len(data) > HEAD_BYTES_MAX or not _could_be_plain(data):
                self._hand_over(data)
            return None
        headers, size = [], -1
        for name, value in _FIELD.findall(head[2]):
            name = name.lower()
            if name == b"content-length":
                if size >= 0 or not value.isdigit() or len(value) > 9:
                    size = -1
                    break
                size = int(value)
            elif name in _STRANGE or (name == b"connection" and value.lower() != b"keep-alive"):
                size = -1
                break
            headers.append((name, value))
        if not 0 <= size <= BODY_BYTES_MAX or len(headers) > self._limits.headers:
            self._hand_over(data)
            return None
        self._wanted = head.end() + size
        return head[1].decode(), headers, head.end()

    def _hand_over(self, data: bytes) -> None:
        """From here on this connection is uvicorn's."""
        self._state.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._pieces, self._size = [], 0
        self._reader.stop()
        protocol = Door(self._config, self._state, self._app_state, self.loop, limits=self._limits)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(data)

    def _look_idle(self) -> None:
        """Close it if nothing was asked for a while. One timer that looks again, not a new one for every request.

        A request that is still coming in by then is a slow one: how long it may take is the other reader's to say.
        """
        idle_s = self.loop.time() - self._idle_since
        left_s = self._idle_s - idle_s
        if self._exchange is not None:
            left_s = self._idle_s
        elif self._pieces:
            self._hand_over(b"".join(self._pieces))
            return
        if left_s <= 0:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(left_s, self._look_idle)


def plain_door(limits: DoorLimits) -> Callable[..., PlainDoor]:
    """What uvicorn makes connections with."""
    return partial(PlainDoor, limits=limits)


def _could_be_plain(data: bytes) -> bool:
    """Whether the start of a head is one of ours so far: a strange client need not wait for more to be told."""
    return data.startswith(b"POST /v1/"[: len(data)])


class Exchange:
    """One request and its answer, with the application's ends of it."""

    __slots__ = (
        "_body",
        "_chunked",
        "_door",
        "_flush_due",
        "_leaving",
        "_out",
        "_tasks",
        "_waiting",
        "complete",
        "gone",
    )

    def __init__(self, door: PlainDoor, body: bytes) -> None:
        self._door = door
        self._body: bytes | None = body
        self._chunked: bool | None = None
        """Whether the answer goes out in chunks; None until its head is known."""
        self._out: list[bytes] = []
        """What goes out at the next turn of the loop: a head with its body, a stream's last event with its end."""
        self._leaving: Callable[[object], None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._flush_due = self.complete = self.gone = False

    def begin(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        """Let the application work on it."""
        task = self._door.loop.create_task(work)
        self._tasks = tasks
        tasks.add(task)
        task.add_done_callback(self._done)

    def on_leaving(self, call: Callable[[object], None] | None) -> None:
        """What to call, with nothing of interest, should the client leave; or has it left already?"""
        self._leaving = call
        if self.gone and call is not None:
            self._door.loop.call_soon(call, None)

    def left(self) -> None:
        """The client has left."""
        if not self.complete:
            self.gone = True
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)
            if self._leaving is not None:
                self._leaving(None)

    async def receive(self) -> dict[str, Any]:
        """ASGI: the body, all of it, then that the client has left."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not (self.gone or self.complete):
            self._waiting = self._waiting or self._door.loop.create_future()
            await asyncio.shield(self._waiting)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI: the head, which waits for the first of the body, then the body."""
        if self._door.draining is not None:
            await asyncio.shield(self._door.draining)
        if self.gone:
            return
        if self.complete:
            raise RuntimeError("the answer is complete already")
        if message["type"] == "http.response.start":
            self._out.append(self._head(message["status"], message["headers"]))
            return
        if self._chunked is None:
            raise RuntimeError("the head comes first")
        if body := message.get("body", b""):
            self._out.append(b"%x\r\n%b\r\n" % (len(body), body) if self._chunked else body)
        if not message.get("more_body", False):
            self._end()
        elif not self._flush_due:
            self._flush_due = True
            self._door.loop.call_soon(self._flush)

    def at_once(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """A whole answer, its length among the headers; False if it has to be sent by `send`, which can wait."""
        if self._door.draining is not None or self.gone or self._chunked is not None:
            return False
        self._out += (self._head(status, headers), body)
        self._end()
        return True

    def _end(self) -> None:
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        self._flush()
        self.complete = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        self._door.ended(clean=True)

    def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        lines = [_STATUS_LINES[status]]
        self._chunked = True
        for name, value in headers:
            if name == b"content-length":
                self._chunked = False
            lines.append(b"%b: %b\r\n" % (name, value))
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a header holds a line break")
        return head + b"\r\n"

    def _flush(self) -> None:
        if self._out and not self.gone:
            self._door.transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()
        self._flush_due = False

    def _done(self, task: "asyncio.Task[None]") -> None:
        """The application is through. Without a whole answer the connection ends, so that none is taken for whole."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("The application failed on a request.", exc_info=error)
        if not (self.complete or self.gone):
            self._door.ended(clean=False)
