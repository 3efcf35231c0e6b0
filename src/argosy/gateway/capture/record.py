"""The content of a captured request: what was said to the model, and what it answered, in the shape of chat."""

from typing import Any

import msgspec
from msgspec import Raw

from argosy.gateway.cache.fold import NotPlain
from argosy.gateway.requests import Kind

_NULL = Raw(b"null")


class _Body(msgspec.Struct):
    messages: Raw = _NULL
    tools: Raw = _NULL
    user: str | None = None


class _TextBody(msgspec.Struct):
    prompt: str
    user: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: Raw = _NULL
    text: str | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class Content(msgspec.Struct, omit_defaults=True):
    """The parts of a record, after redaction."""

    messages: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    tools: list[Any] | None = None
    user: str | None = None


_BODY = msgspec.json.Decoder(_Body)
_TEXT_BODY = msgspec.json.Decoder(_TextBody)
_ANSWER = msgspec.json.Decoder(_Answer)
_CONTENT = msgspec.json.Decoder(Content)


def record(kind: Kind, body: bytes, answer: bytes) -> bytes:
    """The JSON of a request and its whole answer. Raises NotPlain for what is no conversation, ValueError."""
    choices = _ANSWER.decode(answer).choices
    if kind is Kind.CHAT:
        asked = _BODY.decode(body)
        found: dict[str, Any] = {"messages": asked.messages, "tools": asked.tools, "user": asked.user}
        told: list[Any] = [choice.message for choice in choices]
    else:
        try:
            text = _TEXT_BODY.decode(body)
        except msgspec.ValidationError:  # several prompts, or one in token numbers
            raise NotPlain from None
        found = {"messages": [{"role": "user", "content": text.prompt}], "user": text.user}
        told = [{"role": "assistant", "content": choice.text} for choice in choices]
    shown = [
        {"index": choice.index, "message": message, "finish_reason": choice.finish_reason}
        for choice, message in zip(choices, told, strict=True)
    ]
    return msgspec.json.encode({**found, "choices": shown})


def content(data: bytes) -> Content:
    """A record read again. Raises ValueError."""
    return _CONTENT.decode(data)
