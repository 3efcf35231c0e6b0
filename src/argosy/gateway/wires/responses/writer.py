"""The answer on the wire of the Responses API: pieces of a chat answer in, typed events and the response out."""

from typing import Any

import msgspec

from argosy.core import ArgosyError, Invalid, RateLimited, new_id
from argosy.gateway.events import malformed
from argosy.gateway.wires.chat import CallDelta, ChatUsage, Piece, pieces, whole_piece
from argosy.gateway.wires.responses.output import Called, Event, Refused, Said, Thought

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Writer:
    """One response. `feed` and `close` for a stream, `whole` for an answer at once: both end in the same response."""

    def __init__(self, head: dict[str, Any]) -> None:
        """``head`` is the members that the request settles, see `Asked.head`."""
        self._head = head
        self._items: list[Said | Thought | Called] = []
        self._calls: dict[int, Called] = {}
        self._finish: str | None = None
        self._usage: ChatUsage | None = None
        self._sequence = 0

    def whole(self, answer: bytes) -> dict[str, Any]:
        """The response for a whole chat answer. Raises UpstreamFailed if it is malformed."""
        self._add(whole_piece(answer))
        self._end_items()
        return self.response()

    def feed(self, events: bytes) -> bytes:
        """Events for what whole chat events add. Raises UpstreamFailed for malformed ones."""
        added = [event for piece in pieces(events) for event in self._add(piece)]
        return self._write([*self._opening(), *added])

    def close(self) -> bytes:
        """The events that end all items, once the chat stream is known to be complete; `last` ends the response."""
        return self._write([*self._opening(), *self._end_items()])

    def last(self, response: dict[str, Any]) -> bytes:
        """The event that ends the response."""
        return self._write([{"type": f"response.{response['status']}", "response": response}])

    def fail(self, error: ArgosyError) -> bytes:
        """The end of a stream that cannot be completed: the response failed, and an error, which clients raise."""
        failed = {"code": _code(error), "message": error.message}
        shown = {**self._shown("failed"), "error": failed, "output": self._output("incomplete")}
        told = {"code": error.code, "message": error.message, "param": error.param}
        return self._write(
            [
                {"type": "response.failed", "response": shown},
                {"type": "error", **told, "error": {**told, "type": error.type}},
            ]
        )

    def response(self) -> dict[str, Any]:
        """The response as it stands after the last piece."""
        reason = _INCOMPLETE.get(self._finish or "")
        status = "incomplete" if reason else "completed"
        shown = self._shown(status)
        if reason:
            shown["incomplete_details"] = {"reason": reason}
        return {**shown, "output": self._output(status), "usage": _usage(self._usage)}

    def _shown(self, status: str) -> dict[str, Any]:
        return {**self._head, "status": status, "error": None, "incomplete_details": None, "output": [], "usage": None}

    def _opening(self) -> list[Event]:
        """The first events, once."""
        if self._sequence:
            return []
        started = self._shown("in_progress")
        return [{"type": f"response.{name}", "response": started} for name in ("created", "in_progress")]

    def _add(self, piece: Piece) -> list[Event]:
        events: list[Event] = []
        self._head["model"] = piece.model or self._head["model"]
        if piece.reasoning:
            events += self._grow(Thought, piece.reasoning)
        if piece.text:
            events += self._grow(Said, piece.text)
        if piece.refusal:
            events += self._grow(Refused, piece.refusal)
        for call in piece.calls:
            events += self._call(call)
        self._finish = piece.finish or self._finish
        self._usage = piece.usage or self._usage
        return events

    def _grow(self, kind: type[Said | Thought], text: str) -> list[Event]:
        """Add to the item of this kind, if it is the one at work, else to a new one."""
        begun = [] if self._items and self._items[-1].__class__ is kind else self._begin(kind(*self._next(kind.prefix)))
        return begun + self._items[-1].grow(text)

    def _call(self, call: CallDelta) -> list[Event]:
        """Add to a call. Its first piece must name the function; calls come one after the other."""
        arguments, begun = call.function.arguments or "", []
        if call.index not in self._calls:
            if not call.function.name:
                raise malformed()
            item = Called(*self._next(Called.prefix), call.id or new_id("call_"), call.function.name)
            self._calls[call.index] = item
            begun = self._begin(item)
        item = self._calls[call.index]
        if arguments and item is not self._items[-1]:
            raise malformed()
        return begun + item.grow(arguments)

    def _next(self, prefix: str) -> tuple[int, str]:
        return len(self._items), new_id(prefix)

    def _begin(self, item: Said | Thought | Called) -> list[Event]:
        """Make this the item at work; the one before it is over."""
        ended = self._items[-1].end("completed") if self._items else []
        self._items.append(item)
        return ended

    def _end_items(self) -> list[Event]:
        opened = [] if self._items else self._grow(Said, "")
        return opened + self._items[-1].end("incomplete" if self._finish in _INCOMPLETE else "completed")

    def _output(self, status: str) -> list[dict[str, Any]]:
        """The items as they stand; only the last one can be of another status than completed."""
        last = self._items[-1:]
        return [item.shown("completed") for item in self._items[:-1]] + [item.shown(status) for item in last]

    def _write(self, events: list[Event]) -> bytes:
        written = []
        for event in events:
            numbered = {**event, "sequence_number": self._sequence}
            written.append(b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(numbered)))
            self._sequence += 1
        return b"".join(written)


def _usage(usage: ChatUsage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _code(error: ArgosyError) -> str:
    """The nearest of the few codes that a failed response may have; the error event has the exact one."""
    if isinstance(error, RateLimited):
        return "rate_limit_exceeded"
    return "invalid_prompt" if isinstance(error, Invalid) else "server_error"
