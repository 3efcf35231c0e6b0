"""Bytes on a socket, as no well-behaved client sends them."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Said:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error, whose shape is checked."""
        assert self.headers["content-type"] == "application/json"
        [(name, error)] = json.loads(self.body).items()
        assert name == "error"
        assert {"message", "type", "param", "code"} <= set(error)
        return error


def head(path: str, secret: str, *more: str, method: str = "POST", version: str = "1.1") -> bytes:
    """The lines before a body, the empty one among them."""
    lines = [f"{method} {path} HTTP/{version}", "host: here", f"authorization: Bearer {secret}", *more, "", ""]
    return "\r\n".join(lines).encode()


def post(path: str, secret: str, body: bytes, *more: str, version: str = "1.1") -> bytes:
    """A whole request."""
    lines = ("content-type: application/json", f"content-length: {len(body)}", *more)
    return head(path, secret, *lines, version=version) + body


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Write, if the other side still takes it."""
        if self.writer.transport.is_closing():
            return
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def said(self) -> Said:
        """The next response. Raises asyncio.IncompleteReadError or ConnectionError if the connection ends first."""
        async with asyncio.timeout(10):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            if headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            else:
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return Said(int(lines[0].split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return body

    async def closed(self, within_s: float = 5.0) -> bool:
        """Whether the other side closes; what it still says is thrown away."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.read(1 << 16):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@contextlib.asynccontextmanager
async def wire(url: str, limit: int = 1 << 22, **options: Any):
    """A connection to the server."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit, **options)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
