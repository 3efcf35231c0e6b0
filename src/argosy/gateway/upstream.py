"""Connections to engines and providers that are kept for the next request, and given up before they go stale.

Why our own: in a profile of the gateway the usual client took a quarter of all that a request cost.
Nothing is ever sent twice here. Until a request is written its failure is `NotReached`; from then on it may have
reached the engine, so it is `Lost`, and whoever asked decides.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from argosy.gateway.connection import Connection, Lost, NotReached, Response, Silent
from argosy.runtime.resolver import Address, resolve

FRESH_S = 0.01
"""A connection that was in use this short a time ago is not looked at again before its next use."""
_SWEEPS_PER_SILENCE = 8
_SWEEP_S_MAX = 0.5


class _Origin(NamedTuple):
    host: str
    port: int
    tls: bool


class _Target(NamedTuple):
    """Where a URL leads."""

    origin: _Origin
    head: bytes
    """The request line and the headers that are the same for every request to it."""


class Pool:
    """Connections of one kind. With ``public_only``, none leads inside the network, whatever a name resolves to."""

    def __init__(self, *, connect_s: float, silence_s: float, idle_s: float, public_only: bool = False) -> None:
        """``connect_s``: until a connection stands, and as long again for TLS; ``silence_s``: without a byte of an
        answer; ``idle_s``: how long a connection is kept for the next request.
        """
        self._connect_s, self._silence_s, self._idle_s = connect_s, silence_s, idle_s
        self._public_only = public_only
        self._idle: dict[_Origin, list[Connection]] = {}
        self._origins: dict[Connection, _Origin] = {}
        """All connections that stand."""
        self._tls: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look after the connections. It needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._sweep()

    def stop(self) -> None:
        """Close all connections: answers that are still on their way end as `Lost`."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._origins):
            connection.fail(Lost())
        self._idle.clear()

    @property
    def open_connections(self) -> int:
        """How many stand, in use or not."""
        return len(self._origins)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """Send ``body``, which is JSON, and give the answer once its head is there: `Response.leave` it in the end.

        Raises NotReached, Lost and Silent. Cancelling it closes the connection.
        """
        target = target_of(url)
        connection = self._take(target.origin) or await self._connect(target.origin)
        head = b"%bcontent-length: %d\r\n%b\r\n" % (target.head, len(body), _lines(headers) if headers else b"")
        response = connection.ask(head, body)
        try:
            while not response.status:
                await response.change()
        except BaseException:
            response.leave()
            raise
        return response

    def _take(self, origin: _Origin) -> Connection | None:
        """The connection that was used last, if it still is good: the others may then grow old and be closed."""
        idle = self._idle.get(origin)
        now = self._loop.time()
        while idle:
            connection = idle.pop()
            age_s = now - connection.heard_at
            if age_s < FRESH_S and not connection.transport.is_closing():
                return connection
            if age_s < self._idle_s and connection.is_usable(origin.tls):
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: _Origin) -> Connection:
        """A new connection, to the very address that was checked. Raises NotReached."""
        try:
            async with asyncio.timeout(self._connect_s):
                found = await resolve(origin.host, origin.port, public_only=self._public_only)
                sock = await _connected(self._loop, found, self._connect_s / len(found))
        except (OSError, TimeoutError) as error:
            raise NotReached from error
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, sock, self._release, self._forget),
                    sock=sock,
                    ssl=self._tls_context() if origin.tls else None,
                    server_hostname=origin.host if origin.tls else None,
                )
        except (OSError, TimeoutError) as error:  # a bad certificate is an OSError too
            sock.close()
            raise NotReached from error
        except BaseException:
            sock.close()
            raise
        self._origins[connection] = origin
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _release(self, connection: Connection) -> None:
        if origin := self._origins.get(connection):
            self._idle.setdefault(origin, []).append(connection)

    def _forget(self, connection: Connection) -> None:
        origin = self._origins.pop(connection, None)
        if origin is not None and (idle := self._idle.get(origin)) is not None:
            with contextlib.suppress(ValueError):
                idle.remove(connection)
            if not idle:
                del self._idle[origin]

    def _sweep(self) -> None:
        """Close what was idle for too long, end what was silent for too long. One timer instead of one a request."""
        now = self._loop.time()
        for connection in [one for idle in self._idle.values() for one in idle if now - one.heard_at >= self._idle_s]:
            self._forget(connection)
            connection.abort()
        for connection in [one for one in self._origins if one.is_silent(now - self._silence_s)]:
            connection.fail(Silent())
        self._sweeping = self._loop.call_later(min(self._silence_s / _SWEEPS_PER_SILENCE, _SWEEP_S_MAX), self._sweep)


@lru_cache(maxsize=1024)
def target_of(url: str) -> _Target:
    """Where a URL leads. Raises NotReached if it is none that can be connected to."""
    try:
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise NotReached(f"{url!r} is no address") from error
    if parts.scheme not in ("http", "https") or not host:
        raise NotReached(f"{url!r} is no address")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {name}" + (f":{port}" if parts.port else ""),
        "user-agent: argosy",
        "content-type: application/json",
        "accept: */*",
        "accept-encoding: identity",
    ]
    return _Target(_Origin(host, port, tls), ("\r\n".join(lines) + "\r\n").encode("ascii"))


def _lines(headers: Mapping[str, str]) -> bytes:
    """Headers on the wire. Raises ValueError for a value that would end its line."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header holds a line break")
    return lines.encode("latin-1")


async def _connected(loop: asyncio.AbstractEventLoop, addresses: list[Address], each_s: float) -> socket.socket:
    """A socket that is connected to the first address that answers in its time. Raises OSError, TimeoutError."""
    failure: Exception = OSError("it has no address")
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(each_s):
                await loop.sock_connect(sock, address)
            return sock
        except (OSError, TimeoutError) as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure
