"""A server that says exactly the bytes it is told to, over plain sockets or TLS: for peers that do not keep to HTTP."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Say = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]

    async def request(self) -> bytes:
        """The next request, head and body. Raises IncompleteReadError if the client is gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"content-length:") + 15
        body = await self.reader.readexactly(int(head[at : head.find(b"\r\n", at)]))
        self.requests.append(head + body)
        return head + body

    async def say(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        """Send pieces, each in a packet of its own if there is a pause."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    async def gone(self) -> bool:
        """Wait until the client has closed the connection; False if it sends something instead."""
        with contextlib.suppress(ConnectionError):
            return not await asyncio.wait_for(self.reader.read(1), 20)
        return True


@dataclass
class WireServer:
    """``requests`` has every request that was read, ``peers`` every connection that was taken."""

    url: str = ""
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)


@contextlib.asynccontextmanager
async def wire_server(say: Say, tls: ssl.SSLContext | None = None) -> AsyncIterator[WireServer]:
    """Runs ``say`` for each connection, then closes that."""
    running = WireServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, running.requests)
        running.peers.append(peer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await say(peer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    running.port = server.sockets[0].getsockname()[1]
    running.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{running.port}"
    try:
        yield running
    finally:
        server.close()
        for peer in running.peers:
            peer.writer.transport.abort()


def answers(*pieces: bytes, pause_s: float = 0.0) -> Say:
    """Answers every request with the same pieces."""

    async def say(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(*pieces, pause_s=pause_s)

    return say


def answers_once(*pieces: bytes, pause_s: float = 0.0) -> Say:
    """Answers one request and closes."""

    async def say(peer: Peer) -> None:
        await peer.request()
        await peer.say(*pieces, pause_s=pause_s)

    return say
