"""What a request is counted by besides tokens, where its price or its provider's says so: images and characters.

Only such requests are looked at here; all others are never taken apart for it. Images are those that the request
brings. Characters are those of the texts that it brings and of what is answered, as Unicode counts them.
"""

from typing import Any

import msgspec

from argosy.billing import IMAGES, Price
from argosy.core import Invalid
from argosy.gateway.requests import Request


class _Choice(msgspec.Struct):
    text: Any = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_IMAGE_PARTS = ("image_url", "input_image", "image")
_ANSWER_MEMBERS = ("content", "reasoning_content")


def counted_by(price: Price | None, cost: Price | None) -> str:
    """What requests at this price are counted by besides tokens; empty for most."""
    found = [each.per_request for each in (price, cost) if each and each.per_request]
    return found[0] if found else ""


def brought(request: Request, counted: str) -> int:
    """The images or characters that a request brings; 0 where it is counted by neither. Raises Invalid for a body that
    cannot be read to its end, since what nobody looks at was not read before.
    """
    if not counted:
        return 0
    try:
        body = _OBJECT.decode(request.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"The request body is not valid JSON: {error}.", code="invalid_json") from None
    if counted == IMAGES:
        return sum(_images(message) for message in body.get("messages") or ())
    texts = [message.get("content") for message in body.get("messages") or ()]
    texts += [body.get(name) for name in ("prompt", "input", "query", "documents")]
    return sum(map(_characters, texts))


def answered(data: bytes) -> int:
    """Characters of a whole answer, or of events of one. What cannot be read has none: it is passed on as it came."""
    if not data.startswith(b"data:"):
        return _said(data)
    return sum(_said(event[6:]) for event in data.split(b"\n\n") if event.startswith(b"data: {"))


def _said(payload: bytes) -> int:
    try:
        choices = _ANSWER.decode(payload).choices or ()
    except (msgspec.DecodeError, RecursionError):
        return 0
    return sum(
        _characters(choice.text) + sum(_characters(words.get(name)) for name in _ANSWER_MEMBERS)
        for choice in choices
        for words in (choice.delta or choice.message or {},)
    )


def _images(message: dict[str, Any]) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return 0
    return sum(isinstance(part, dict) and part.get("type") in _IMAGE_PARTS for part in content)


def _characters(text: object) -> int:
    """Of a text, or of those within lists and parts; token numbers are none."""
    if isinstance(text, str):
        return len(text)
    if isinstance(text, list):
        return sum(map(_characters, text))
    return _characters(text.get("text")) if isinstance(text, dict) else 0
