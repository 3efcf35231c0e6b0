"""One engine's event stream, turned into what the client may see: our id and model name, usage only if asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from argosy.core import UpstreamFailed
from argosy.gateway.metering import Part, Usage

DONE = b"data: [DONE]\n\n"
Transform = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is to look to the client."""

    request_id: str
    model: str
    include_usage: bool = False
    closes: bool = True
    """Whether the end of this stream is the end of the answer, so that [DONE] goes out."""
    transform: Transform | None = None
    """Applied to every event with choices, for what cannot be had by replacing bytes."""


class _Head(msgspec.Struct):
    id: str = ""
    model: str = ""


class _OpeningChoice(msgspec.Struct):
    text: Any = None
    delta: dict[str, Any] | None = None


class _Opening(msgspec.Struct):
    choices: list[_OpeningChoice] | None = None


_HEAD = msgspec.json.Decoder(_Head)
_OPENING = msgspec.json.Decoder(_Opening)
_EVENT = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode
_MEMBERS = {name: (b'"%b":' % name.encode(), b'"%b": ' % name.encode()) for name in ("id", "model")}
"""How engines begin the members that are renamed."""
# Inside a JSON string a quote is escaped, so these bytes can only be members of the event itself.
_MARKS = (b'"usage":', b'"prompt_progress":', b'"error":', b"[DONE]")
_ODD_OPENINGS = (b'""', b'": null', b'"reasoning', b'"tool_calls"')


class EventStream:
    """Feeds on bytes, gives whole events. Most events pass as they are, but for two replaced strings."""

    def __init__(self, part: Part, shape: Shape) -> None:
        self._part, self._shape = part, shape
        # An answer that is carried on is looked at event by event: its opening was said before.
        self._transform = shape.transform or (_same if part.resumed else None)
        self._tail = b""
        self._swaps: list[tuple[bytes, bytes]] | None = None
        self.done = False
        """Whether the engine has said that it is done: a stream that ends without it was cut."""
        self.tokens = 0
        """Tokens in the events of the last `feed`: one for each event that carries content."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return whole events for the client. Raises UpstreamFailed for an error event."""
        if self._tail:
            data = self._tail + data
        end = data.rfind(b"\n\n") + 2
        if end < 2:
            self._tail, self.tokens = data, 0
            return b""
        self._tail = data[end:]
        if end < len(data):
            data = data[:end]
        if self._transform:
            data = b"".join(map(self._event, data[:-2].split(b"\n\n")))
        elif self._swaps is None or any(mark in data for mark in _MARKS):
            data = self._some_opened(data)
        self.tokens = _tokens(data)
        for old, new in self._swaps or ():
            data = data.replace(old, new)
        return data

    def _some_opened(self, data: bytes) -> bytes:
        """Whole events with a closer look at the first that names the answer, and at all from the first mark on."""
        shown = []
        while data and self._swaps is None:
            event, _, data = data.partition(b"\n\n")
            shown.append(self._event(event))
        if self._transform:
            marked = 0
        else:
            mark = min((at for mark in _MARKS if (at := data.find(mark)) >= 0), default=len(data))
            before = data.rfind(b"\n\n", 0, mark)
            marked = before + 2 if before >= 0 else 0
        shown.append(data[:marked])
        if marked < len(data):
            shown += map(self._event, data[marked:-2].split(b"\n\n"))
        return b"".join(shown)

    def _event(self, event: bytes) -> bytes:
        """One event that needs a closer look."""
        if not event.startswith((b"data:", b"error:")):
            return event + b"\n\n" if event.startswith(b":") else b""
        payload = event[event.index(b":") + 1 :].strip()
        if payload == b"[DONE]":
            if self._part.repetition and self._part.repetition.holding:
                raise malformed()
            self.done = True
            return DONE if self._shape.closes else b""
        if self._swaps is None:
            self._learn(payload)
        if self._transform or any(mark in payload for mark in _MARKS[:3]):
            return self._opened(payload)
        return event + b"\n\n"

    def _learn(self, payload: bytes) -> None:
        """From the first event: what the engine calls the answer and the model, and how to replace it in bytes."""
        try:
            head = _HEAD.decode(payload)
        except msgspec.DecodeError:
            raise malformed() from None
        pairs = swaps(payload, {"id": (head.id, self._shape.request_id), "model": (head.model, self._shape.model)})
        if pairs is None:
            self._transform = self._transform or _same
        self._swaps = pairs or []

    def _opened(self, payload: bytes) -> bytes:
        """An event taken apart: usage is noted and shown only if asked for, progress is noted, an error is raised."""
        try:
            event = _EVENT.decode(payload)
        except msgspec.DecodeError:
            raise malformed() from None
        if event.get("error"):
            raise UpstreamFailed("The engine failed while it was answering. Please try again.", code="engine_failed")
        if progress := event.get("prompt_progress"):
            if not self._part.resumed:  # a run that carries on has what was delivered in its prompt
                self._part.prompt, self._part.cached = progress.get("total"), progress.get("cache", 0)
            return b""
        if self._part.resumed and _opens(event):
            return b""
        if self._part.repetition:
            event = self._part.repetition.without(event)
        usage = event.pop("usage", None)
        if usage:
            self._part.usage = self._part.whole(read_usage(usage))
            if self._part.resumed:
                usage = usage_body(self._part.usage)
        shown = write_event(self._renamed(event)) if event.get("choices") else b""
        if usage and self._shape.include_usage:
            shown += write_event({**self._renamed(event), "choices": [], "usage": usage})
        return shown

    def _renamed(self, event: dict[str, Any]) -> dict[str, Any]:
        event = {**event, "id": self._shape.request_id, "model": self._shape.model}
        return self._transform(event) if self._transform and event.get("choices") else event


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """The engine's own report. Raises UpstreamFailed if it is not one."""
    details, written = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details")
    try:
        return Usage(
            int(usage["prompt_tokens"]),
            int(details.get("cached_tokens") or 0),
            int(usage["completion_tokens"]),
            int(written.get("reasoning_tokens") or 0) if written else 0,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise malformed() from None


def swaps(payload: bytes, names: Mapping[str, tuple[str, str]]) -> list[tuple[bytes, bytes]] | None:
    """Pairs of bytes that rename the members, ``name: (old, new)``; None if the old ones are spelled in another way."""
    pairs = []
    for name, (old, new) in names.items():
        tight, loose = _MEMBERS[name]
        value = _encode(old)
        if (needle := tight + value) not in payload and (needle := loose + value) not in payload:
            return None
        pairs.append((needle, tight + _encode(new)))
    return pairs


def _same(event: dict[str, Any]) -> dict[str, Any]:
    return event


def _opens(event: Mapping[str, Any]) -> bool:
    """Whether an event only says whose turn it is: the client was told before the answer was carried on."""
    choices = event.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    return "role" in delta and not delta.get("content") and choices[0].get("finish_reason") is None


def usage_body(usage: Usage) -> dict[str, Any]:
    """Usage on OpenAI's wire."""
    body = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }
    if usage.reasoning:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return body


def malformed() -> UpstreamFailed:
    """The engine answered with something that is not OpenAI's wire."""
    return UpstreamFailed("The engine gave a malformed answer. Please try again.", code="engine_malformed")


def write_event(event: Mapping[str, Any]) -> bytes:
    """One server-sent event with a JSON payload."""
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


def _tokens(data: bytes) -> int:
    """Events with content: all but the one that opens with the role, those that only close, and [DONE]."""
    return (
        data.count(b"data: {")
        - data.count(b'"content":null')
        - data.count(b'"delta":{}')
        - data.count(b'"choices":[]')
        - data.count(b'"text":"",')
    )


def first_words(data: bytes, tokens: int) -> int:
    """The ``tokens`` of events that come before the first word, counted anew where a provider may open in another way
    than engines do: with an empty text, in JSON with spaces, or with thoughts beside a text that is null.
    """
    if not any(mark in data for mark in _ODD_OPENINGS):
        return tokens
    events = (event for event in data.split(b"\n\n") if event.startswith(b"data: {"))
    try:
        return sum(any(map(_says, _OPENING.decode(event[6:]).choices or ())) for event in events)
    except msgspec.DecodeError:
        raise malformed() from None


def _says(choice: _OpeningChoice) -> bool:
    return bool(choice.text) or any(value for name, value in (choice.delta or {}).items() if name != "role")
