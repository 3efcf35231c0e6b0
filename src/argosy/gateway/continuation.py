"""Carrying on an answer whose engine went away: the same prompt, followed by what was delivered so far.

Engines of ours continue a last message of the assistant in the place of answering it, and so do some providers, if they
are asked in their way. Invariants: what was delivered is never said again; an answer that was over, that is more than
text, or whose grammar would begin anew, is not carried on.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from argosy.catalog.provider import Prefill
from argosy.gateway.requests import Kind, Request

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_LIMITS = ("max_tokens", "max_completion_tokens")
_GRAMMARS = ("response_format", "json_schema", "grammar")
"""Members that hold an answer to a form; an engine would expect the form from its beginning."""
_NOT_JOINED = ("tools", "functions", "logprobs", "top_logprobs", "audio")
"""Members that ask for more than text."""


def may_be_carried_on(request: Request) -> bool:
    """Whether it is worth keeping what is delivered of the answer to a request."""
    return request.stream and request.kind.completes and request.parts == 1 and request.call is None


def carried_on(request: Request, delivered: Sequence[bytes], tokens: int) -> Request | None:
    """The request for the rest of an answer, of which these events with so many ``tokens`` were delivered.

    None if there is nothing left to say, or the rest cannot be had in this way.
    """
    found = _rest(request, delivered, tokens)
    if found is None:
        return None
    body, said = found
    if request.kind is Kind.CHAT:
        body["messages"] = _with_answer(body["messages"], said)
    return msgspec.structs.replace(request, body=msgspec.json.encode(body))


def prefilled(
    request: Request, delivered: Sequence[bytes], tokens: int, prefill: Prefill
) -> tuple[Request, str] | None:
    """The same for a provider that is asked in this way, and the text that was delivered, which it may repeat.

    None also for what could not be joined: log probabilities, tools, an answer that the client itself began.
    """
    found = _rest(request, delivered, tokens)
    if found is None or prefill == "none":
        return None
    body, said = found
    if not said.strip() or any(_asked(body.get(name)) for name in _NOT_JOINED):
        return None
    if request.kind is Kind.CHAT:
        if body["messages"][-1].get("role") == "assistant":
            return None
        flag = {} if prefill == "assistant" else {prefill: True}
        body["messages"] = [*body["messages"], {"role": "assistant", "content": said, **flag}]
    return msgspec.structs.replace(request, body=msgspec.json.encode(body)), said


def _rest(request: Request, delivered: Sequence[bytes], tokens: int) -> tuple[dict[str, Any], str] | None:
    """The body with fewer tokens to write, and with the text after the prompt if that is one; and the text."""
    body = _OBJECT.decode(request.body)
    if any(_formed(body.get(name)) for name in _GRAMMARS):
        return None
    said = _said(b"".join(delivered))
    if said is None:
        return None
    for name in _LIMITS:
        if body.get(name) is not None:
            body[name] -= tokens
            if body[name] <= 0:
                return None
    if request.kind is not Kind.CHAT:
        if not isinstance(body["prompt"], str):
            return None
        body["prompt"] += said
    return body, said


def _asked(member: object) -> bool:
    return member is not None and member is not False and member != []


def _formed(member: object) -> bool:
    return bool(member) and not (isinstance(member, dict) and member.get("type") == "text")


def _said(events: bytes) -> str | None:
    """The text of the events; None if they brought the answer to its end, or something else than text."""
    pieces = []
    for event in events.split(b"\n\n"):
        if not event.startswith(b"data: {"):
            continue
        for choice in _OBJECT.decode(event[6:]).get("choices") or ():
            delta = choice.get("delta") or {}
            piece = choice.get("text") or delta.get("content") or ""
            more = any(value for name, value in delta.items() if name not in ("role", "content"))
            if choice.get("finish_reason") or more or not isinstance(piece, str):
                return None
            pieces.append(piece)
    return "".join(pieces)


def _with_answer(messages: list[dict[str, Any]], said: str) -> list[dict[str, Any]]:
    """The messages with the answer so far as the last one, joined to what the client itself put into its mouth."""
    last = messages[-1]
    if last.get("role") == "assistant" and isinstance(last.get("content"), str):
        return [*messages[:-1], {**last, "content": last["content"] + said}]
    return [*messages, {"role": "assistant", "content": said}] if said else messages
