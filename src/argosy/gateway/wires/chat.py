"""The chat wire as the other wires see it: an answer, whole or streamed, as pieces that say what is new."""

from collections.abc import Iterator
from typing import Any

import msgspec

from argosy.gateway.events import malformed


class FunctionDelta(msgspec.Struct):
    """What is new of a called function."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct):
    """What is new of one tool call; ``index`` tells the calls of an answer apart."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta = msgspec.field(default_factory=FunctionDelta)


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class ChatUsage(msgspec.Struct):
    """Tokens of an answer. ``prompt_tokens`` has the cached ones among them."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    @property
    def cached(self) -> int:
        """Tokens of the prompt that the engine had already."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0

    @property
    def reasoning(self) -> int:
        """Tokens of the answer that were thought and not said."""
        return (self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens) or 0


class Piece(msgspec.Struct):
    """What one event, or a whole answer, adds."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    """Why the model does not answer, in its own words."""
    calls: list[CallDelta] = []
    finish: str | None = None
    """OpenAI's ``finish_reason``, in the piece that ends the answer."""
    stop_sequence: str | None = None
    """The stop sequence that ended the answer, where the engine says which."""
    usage: ChatUsage | None = None
    model: str = ""
    """The model that answers, which may be what the name that was asked for stands for."""


class _Event(msgspec.Struct):
    model: str = ""
    choices: list[_Choice] = []
    usage: ChatUsage | None = None


_EVENT = msgspec.json.Decoder(_Event)


def whole_piece(body: bytes) -> Piece:
    """A whole chat answer as one piece. Raises UpstreamFailed if it is malformed."""
    piece = _piece(body)
    for number, call in enumerate(piece.calls):
        call.index = number
    return piece


def pieces(events: bytes) -> Iterator[Piece]:
    """What whole server-sent events of a chat stream add. Raises UpstreamFailed if one is malformed."""
    for event in events.split(b"\n\n"):
        if not event.startswith(b"data:"):
            continue  # a comment, or nothing
        payload = event[5:].strip()
        if payload != b"[DONE]":
            yield _piece(payload)


def _piece(payload: bytes) -> Piece:
    try:
        event = _EVENT.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None
    if not event.choices:
        return Piece(usage=event.usage, model=event.model)
    choice = event.choices[0]
    said = choice.delta or choice.message or _Message()
    return Piece(
        text=said.content or "",
        reasoning=said.reasoning_content or "",
        refusal=said.refusal or "",
        calls=said.tool_calls or [],
        finish=choice.finish_reason,
        stop_sequence=choice.stop_reason if isinstance(choice.stop_reason, str) else None,
        usage=event.usage,
        model=event.model,
    )
