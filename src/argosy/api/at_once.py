"""Answers for HTTP/1.0, which knows no chunks: held until their length is known."""

from typing import Any


def at_once(send: Any) -> Any:
    """A ``send`` for one response: a body of unknown length goes out in one piece, any other as it comes."""
    start: Any = None
    pieces: list[bytes] = []

    async def held(message: Any) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and not _has_length(message):
            start = message
        elif start is None:
            await send(message)
        else:
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                body = b"".join(pieces)
                length = (b"content-length", b"%d" % len(body))
                await send({**start, "headers": [*start.get("headers", ()), length]})
                await send({"type": "http.response.body", "body": body})

    return held


def _has_length(start: Any) -> bool:
    return any(name.lower() == b"content-length" for name, _ in start.get("headers", ()))
