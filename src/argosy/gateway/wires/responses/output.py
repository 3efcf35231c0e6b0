"""Items of a response's output while they grow: each writes its own events, and shows itself whole."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

Event = dict[str, Any]
"""An event of the stream, without its number."""


class _Growing(ABC):
    """An item that opens with its first `grow` and is over with `end`."""

    prefix: ClassVar[str]
    delta: ClassVar[str]
    """Name of the event with each addition; the one with all of it ends in "done" instead."""

    def __init__(self, index: int, item_id: str) -> None:
        self._place = {"item_id": item_id, "output_index": index}
        self._id, self._index = item_id, index
        self._grown: list[str] = []
        self._opened = False

    @abstractmethod
    def shown(self, status: str) -> dict[str, Any]:
        """The item as it stands."""

    def grow(self, text: str) -> list[Event]:
        """Add to it; says so in events."""
        events = [] if self._opened else self._opening()
        self._opened = True
        if text:
            self._grown.append(text)
            events.append({"type": self.delta, **self._place, "delta": text, **self._aside()})
        return events

    def end(self, status: str) -> list[Event]:
        """Nothing more is added."""
        item = {"output_index": self._index, "item": self.shown(status)}
        return [*self._done(), {"type": "response.output_item.done", **item}]

    @property
    def _text(self) -> str:
        return "".join(self._grown)

    def _opening(self) -> list[Event]:
        return [
            {"type": "response.output_item.added", "output_index": self._index, "item": self.shown("in_progress")},
        ]

    @abstractmethod
    def _done(self) -> list[Event]: ...

    def _aside(self) -> dict[str, Any]:
        """Members that the item's deltas have besides."""
        return {}


class _Worded(_Growing):
    """An item with one part of words."""

    said: ClassVar[str] = "text"
    """What the part and its last event call the words."""

    def __init__(self, index: int, item_id: str) -> None:
        super().__init__(index, item_id)
        self._place["content_index"] = 0

    @abstractmethod
    def _part(self) -> dict[str, Any]: ...

    def _opening(self) -> list[Event]:
        return [*super()._opening(), {"type": "response.content_part.added", **self._place, "part": self._part()}]

    def _done(self) -> list[Event]:
        return [
            {"type": self.delta.replace("delta", "done"), **self._place, self.said: self._text, **self._aside()},
            {"type": "response.content_part.done", **self._place, "part": self._part()},
        ]

    def _content(self) -> list[dict[str, Any]]:
        return [self._part()] if self._opened else []


class Said(_Worded):
    """What the model says: an ``output_text`` in a message."""

    prefix = "msg_"
    delta = "response.output_text.delta"

    def shown(self, status: str) -> dict[str, Any]:
        """The message."""
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": self._content(),
        }

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self._text, "annotations": [], "logprobs": []}

    def _aside(self) -> dict[str, Any]:
        return {"logprobs": []}


class Refused(Said):
    """Why the model does not answer: a ``refusal`` in a message."""

    delta = "response.refusal.delta"
    said = "refusal"

    def _part(self) -> dict[str, Any]:
        return {"type": "refusal", "refusal": self._text}

    def _aside(self) -> dict[str, Any]:
        return {}


class Thought(_Worded):
    """What the model thinks before it speaks, where the engine tells it apart."""

    prefix = "rs_"
    delta = "response.reasoning_text.delta"

    def shown(self, status: str) -> dict[str, Any]:
        """The reasoning."""
        return {"id": self._id, "type": "reasoning", "status": status, "summary": [], "content": self._content()}

    def _part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", self.said: self._text}


class Called(_Growing):
    """A function that the model calls."""

    prefix = "fc_"
    delta = "response.function_call_arguments.delta"

    def __init__(self, index: int, item_id: str, call_id: str, name: str) -> None:
        super().__init__(index, item_id)
        self._call_id, self._name = call_id, name

    def shown(self, status: str) -> dict[str, Any]:
        """The call."""
        return {
            "id": self._id,
            "type": "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": self._text,
        }

    def _done(self) -> list[Event]:
        done = {"name": self._name, "arguments": self._text}
        return [{"type": "response.function_call_arguments.done", **self._place, **done}]
