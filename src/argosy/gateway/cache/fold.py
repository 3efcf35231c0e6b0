"""A stream of events put together to the whole answer that it told."""

from typing import Any

import msgspec

from argosy.gateway.events import DONE, usage_body
from argosy.gateway.metering import Usage
from argosy.gateway.requests import Kind

_EVENT = msgspec.json.Decoder(dict[str, Any])
_WHOLES = {Kind.CHAT: "chat.completion", Kind.TEXT: "text_completion"}
_JOINED = ("index", "delta", "text", "logprobs")


class NotPlain(Exception):
    """The stream holds something that cannot be put together for certain."""


def folded(events: bytes, kind: Kind, usage: Usage) -> bytes:
    """The answer in JSON. Raises NotPlain."""
    if not events.endswith(DONE):
        raise NotPlain
    head: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in events.split(b"\n\n"):
        if not event.startswith(b"data: {"):
            continue
        told = _EVENT.decode(event[6:])
        if "error" in told:
            raise NotPlain
        head = head or {name: value for name, value in told.items() if name not in ("choices", "usage")}
        for choice in told.get("choices") or ():
            _join(choices.setdefault(choice["index"], {"index": choice["index"]}), choice)
    whole = [_closed(choices[index], kind) for index in sorted(choices)]
    return msgspec.json.encode({**head, "object": _WHOLES[kind], "choices": whole, "usage": usage_body(usage)})


def _join(choice: dict[str, Any], told: dict[str, Any]) -> None:
    if logprobs := told.get("logprobs"):
        _append(choice.setdefault("logprobs", {}), logprobs, len(choice.get("text", "")))
    if "text" in told:
        choice["text"] = choice.get("text", "") + (told["text"] or "")
    message = choice.setdefault("message", {}) if "delta" in told else {}
    for name, value in (told.get("delta") or {}).items():
        if value is None or name == "role":
            message[name] = message.get(name) or value
        elif isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        else:
            raise NotPlain
    choice.update({name: value for name, value in told.items() if name not in _JOINED and value is not None})


def _append(kept: dict[str, Any], told: dict[str, Any], offset: int) -> None:
    """Log probabilities: lists, the one with the places of texts counted from the event's beginning."""
    for name, values in told.items():
        if values is None:
            kept.setdefault(name, None)
        elif isinstance(values, list):
            moved = [value + offset for value in values] if name == "text_offset" else values
            kept[name] = (kept.get(name) or []) + moved
        else:
            raise NotPlain


def _closed(choice: dict[str, Any], kind: Kind) -> dict[str, Any]:
    if "finish_reason" not in choice or ("message" if kind is Kind.CHAT else "text") not in choice:
        raise NotPlain
    if kind is Kind.CHAT:
        message = choice["message"]
        choice["message"] = {"role": "assistant", **message, "content": message.get("content") or ""}
    return choice
