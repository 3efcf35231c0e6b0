"""Whole answers, and the few things that cannot be done by replacing bytes: several choices, old log probabilities."""

from collections.abc import Sequence
from typing import Any

import msgspec

from argosy.gateway import moderations, vectors
from argosy.gateway.events import DONE, Shape, Transform, malformed, read_usage, swaps, usage_body, write_event
from argosy.gateway.metering import Usage
from argosy.gateway.requests import Kind, Request
from argosy.gateway.tools import as_calls, as_events


class _Answer(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: dict[str, Any] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_JSON = msgspec.json.Decoder(dict[str, Any])


def shape_of(request: Request, request_id: str, part: int) -> Shape:
    """How one part of the answer is to look."""
    several = request.parts > 1
    steps: list[Transform] = []
    if request.text_logprobs:
        steps.append(with_text_logprobs)
    if request.told_as_chat:
        steps.append(as_chat)
    if request.call:
        steps.append(as_calls)
    if several:
        steps.append(lambda event: with_index(event, part))
    return Shape(
        request_id=request_id,
        model=request.model,
        include_usage=request.include_usage and not several,
        closes=not several,
        transform=_chained(steps) if steps else None,
    )


def whole(body: bytes, request: Request, request_id: str, part: int) -> tuple[bytes, Usage | None]:
    """An engine's whole answer as the client may see it, and its usage if it is known.

    Raises UpstreamFailed if the answer is malformed.
    """
    if request.kind is Kind.MODERATION:
        return moderations.whole(body, request.body, request.model, request_id)
    if not request.kind.completes:
        return vectors.whole(body, request.model)
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None
    if answer.usage is None:
        raise malformed()
    pairs = swaps(body, {"id": (answer.id, request_id), "model": (answer.model, request.model)})
    plain = request.parts == 1 and not request.text_logprobs and request.call is None
    transform = None if plain else shape_of(request, request_id, part).transform
    if pairs is None or transform:
        event = {**_JSON.decode(body), "id": request_id, "model": request.model}
        body = msgspec.json.encode(transform(event) if transform else event)
    for old, new in pairs or ():
        body = body.replace(old, new, 1)
    return body, read_usage(answer.usage)


def as_chat(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a text completion as the event of a chat."""
    choices = []
    for choice in event.get("choices", ()):
        text = choice.get("text")
        rest = {name: value for name, value in choice.items() if name != "text"}
        choices.append({**rest, "delta": {"content": text} if text else {}})
    return {**event, "object": "chat.completion.chunk", "choices": choices}


def fold(bodies: Sequence[bytes], usage: Usage) -> bytes:
    """One answer from its parts: all their choices, and the usage of the whole."""
    answers = [_JSON.decode(body) for body in bodies]
    choices = [choice for answer in answers for choice in answer["choices"]]
    return msgspec.json.encode({**answers[0], "choices": choices, "usage": usage_body(usage)})


def called_events(body: bytes, include_usage: bool) -> bytes:
    """A whole answer of tool calls as the events of a stream."""
    answer = _JSON.decode(body)
    events = as_events(answer)
    if include_usage:
        events.append({**events[0], "choices": [], "usage": answer["usage"]})
    return b"".join(map(write_event, events)) + DONE


def closing_event(request: Request, request_id: str, created: int, usage: Usage) -> dict[str, Any]:
    """The event with the usage of an answer that came in several parts."""
    kind = "chat.completion.chunk" if request.kind is Kind.CHAT else "text_completion"
    return {
        "id": request_id,
        "object": kind,
        "created": created,
        "model": request.model,
        "choices": [],
        "usage": usage_body(usage),
    }


def with_index(event: dict[str, Any], index: int) -> dict[str, Any]:
    """The choices of one part, numbered as the client expects."""
    return {**event, "choices": [{**choice, "index": index} for choice in event.get("choices", ())]}


def with_text_logprobs(event: dict[str, Any]) -> dict[str, Any]:
    """Log probabilities in the shape of text completions, where the engine gives that of chat."""
    return {**event, "choices": [_old_logprobs(choice) for choice in event.get("choices", ())]}


def _old_logprobs(choice: dict[str, Any]) -> dict[str, Any]:
    content = (choice.get("logprobs") or {}).get("content")
    if content is None:
        return choice
    offsets, offset = [], 0
    for token in content:
        offsets.append(offset)
        offset += len(token["token"])
    logprobs = {
        "tokens": [token["token"] for token in content],
        "token_logprobs": [token["logprob"] for token in content],
        "top_logprobs": [{top["token"]: top["logprob"] for top in token["top_logprobs"]} for token in content],
        "text_offset": offsets,
    }
    return {**choice, "logprobs": logprobs}


def _chained(steps: Sequence[Transform]) -> Transform:
    def apply(event: dict[str, Any]) -> dict[str, Any]:
        for step in steps:
            event = step(event)
        return event

    return apply
