"""A whole answer told as a stream of events."""

from typing import Any

import msgspec

from argosy.gateway.events import DONE, write_event
from argosy.gateway.requests import Kind

_ANSWER = msgspec.json.Decoder(dict[str, Any])
CHUNKS = {Kind.CHAT: "chat.completion.chunk", Kind.TEXT: "text_completion"}
"""What the events of each kind are called."""
_TOLD_ONCE = ("index", "message", "text", "logprobs", "finish_reason")


def replayed(body: bytes, kind: Kind, include_usage: bool) -> bytes:
    """The events, [DONE] among them: of each choice all of its text at once, then how it ended."""
    answer = _ANSWER.decode(body)
    head = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    head["object"] = CHUNKS[kind]
    events = []
    for choice in answer["choices"]:
        events += [{**head, "choices": [_said(choice)]}, {**head, "choices": [_ended(choice)]}]
    if include_usage:
        events.append({**head, "choices": [], "usage": answer["usage"]})
    return b"".join(map(write_event, events)) + DONE


def _said(choice: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": choice["index"]}
    if "message" in choice:
        message = choice["message"]
        calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls") or ())]
        shown["delta"] = {**message, "tool_calls": calls} if calls else message
    else:
        shown["text"] = choice["text"]
    if "logprobs" in choice:
        shown["logprobs"] = choice["logprobs"]
    return {**shown, "finish_reason": None}


def _ended(choice: dict[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {"delta": {}} if "message" in choice else {"text": ""}
    more = {name: value for name, value in choice.items() if name not in _TOLD_ONCE}
    return {"index": choice["index"], **nothing, "finish_reason": choice["finish_reason"], **more}
