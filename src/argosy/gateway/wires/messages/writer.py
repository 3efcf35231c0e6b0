"""The answer on Anthropic's wire: pieces of a chat answer in, its events or the whole message out."""

from typing import Any

import msgspec

from argosy.gateway.events import malformed
from argosy.gateway.wires.chat import CallDelta, ChatUsage, Piece, pieces, whole_piece

Event = dict[str, Any]
_STOPS = {"length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use", "content_filter": "refusal"}


class Writer:
    """One message: `feed` and `close` for a stream, `whole` for an answer at once."""

    def __init__(self, message_id: str, model: str) -> None:
        self._id, self._model = message_id, model
        self._started = False
        self._blocks = 0
        self._open: str | int | None = None
        """What the block at work holds: "text", "thinking", or the index of a call. Blocks come one after the other."""
        self._calls: set[int] = set()
        self._refused = False
        self._finish: str | None = None
        self._stop_sequence: str | None = None
        self._usage: ChatUsage | None = None

    def whole(self, answer: bytes) -> bytes:
        """The message for a whole chat answer. Raises UpstreamFailed if it is malformed."""
        piece = whole_piece(answer)
        self._note(piece)
        content: list[dict[str, Any]] = []
        if piece.reasoning:
            content.append({"type": "thinking", "thinking": piece.reasoning, "signature": ""})
        if words := piece.text + piece.refusal:
            content.append({"type": "text", "text": words})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.function.name, "input": _input(call)}
            for call in piece.calls
        ]
        return msgspec.json.encode({**self._message(), "content": content, **self._stop(), "usage": self._counted()})

    def feed(self, events: bytes) -> bytes:
        """Events for what whole chat events add. Raises UpstreamFailed for malformed ones."""
        added = [event for piece in pieces(events) for event in self._add(piece)]
        return _write([*self._opening(), *added])

    def close(self) -> bytes:
        """The events that end the message, once the chat stream is known to be complete."""
        told = {"type": "message_delta", "delta": self._stop(), "usage": self._counted()}
        return _write([*self._opening(), *self._end_block(), told, {"type": "message_stop"}])

    def _message(self) -> dict[str, Any]:
        return {"id": self._id, "type": "message", "role": "assistant", "model": self._model, "content": []}

    def _stop(self) -> dict[str, Any]:
        return {"stop_reason": self._stop_reason(), "stop_sequence": self._stop_sequence}

    def _stop_reason(self) -> str:
        if self._refused:
            return "refusal"
        return "stop_sequence" if self._stop_sequence else _STOPS.get(self._finish or "", "end_turn")

    def _counted(self) -> dict[str, int]:
        """Usage; here the input is what was not read from the cache."""
        usage = self._usage or ChatUsage(0, 0)
        return {
            "input_tokens": usage.prompt_tokens - usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": usage.completion_tokens,
        }

    def _note(self, piece: Piece) -> None:
        self._model = piece.model or self._model
        self._refused |= bool(piece.refusal)
        self._finish = piece.finish or self._finish
        self._stop_sequence = piece.stop_sequence or self._stop_sequence
        self._usage = piece.usage or self._usage

    def _opening(self) -> list[Event]:
        """The first events, once. Usage is not known then: what counts is the usage at the end."""
        if self._started:
            return []
        self._started = True
        message = {**self._message(), "stop_reason": None, "stop_sequence": None, "usage": self._counted()}
        return [{"type": "message_start", "message": message}, {"type": "ping"}]

    def _add(self, piece: Piece) -> list[Event]:
        self._note(piece)
        events: list[Event] = []
        if piece.reasoning:
            events += self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            events.append(self._delta({"type": "thinking_delta", "thinking": piece.reasoning}))
        if words := piece.text + piece.refusal:
            events += self._block("text", {"type": "text", "text": ""})
            events.append(self._delta({"type": "text_delta", "text": words}))
        for call in piece.calls:
            events += self._called(call)
        return events

    def _called(self, call: CallDelta) -> list[Event]:
        """What is new of a call. Its first piece must name the function; calls come one after the other."""
        begun: list[Event] = []
        arguments = call.function.arguments or ""
        if call.index not in self._calls:
            if not call.function.name or not call.id:
                raise malformed()
            self._calls.add(call.index)
            used = {"type": "tool_use", "id": call.id, "name": call.function.name, "input": {}}
            begun = self._block(call.index, used)
        if not arguments:
            return begun
        if call.index != self._open:
            raise malformed()
        return [*begun, self._delta({"type": "input_json_delta", "partial_json": arguments})]

    def _block(self, holds: str | int, block: dict[str, Any]) -> list[Event]:
        """Make this the block at work, if it is not: the one before it ends."""
        if self._open == holds:
            return []
        ended = self._end_block()
        self._open = holds
        self._blocks += 1
        return [*ended, {"type": "content_block_start", "index": self._blocks - 1, "content_block": block}]

    def _delta(self, delta: dict[str, Any]) -> Event:
        return {"type": "content_block_delta", "index": self._blocks - 1, "delta": delta}

    def _end_block(self) -> list[Event]:
        if self._open is None:
            return []
        self._open = None
        return [{"type": "content_block_stop", "index": self._blocks - 1}]


def _input(call: CallDelta) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(call.function.arguments or "{}")
    except msgspec.DecodeError:
        raise malformed() from None
    if not isinstance(given, dict) or not call.id or not call.function.name:
        raise malformed()
    return given


def _write(events: list[Event]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event)) for event in events
    )
