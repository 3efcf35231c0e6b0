"""Tool calls on models that were never taught any: the answer is held to a schema of the tools, or of a plain reply.

The tools go into a system message, earlier calls and results into messages that any template knows, the choice into a
``response_format`` that the engine enforces, and the answer back into OpenAI's ``tool_calls`` or content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from argosy.core import Invalid, UpstreamFailed, new_id

_FORCED = (
    "You answer by calling one of these functions, as JSON with the members name and arguments. "
    "Take the arguments from what the user says.\n"
)
_FREE = (
    "You answer with JSON: either the members name and arguments, to call one of these functions with arguments taken "
    "from what the user says, or the one member reply, to answer in words.\n"
)
_REPLY_SCHEMA = {
    "type": "object",
    "properties": {"reply": {"type": "string"}},
    "required": ["reply"],
    "additionalProperties": False,
}


_SAID = msgspec.json.Decoder(dict[str, Any])


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct):
    """One tool of a request. Only functions exist."""

    function: _Function
    type: str = "function"


class _ChosenFunction(msgspec.Struct):
    name: str


class Choice(msgspec.Struct):
    """A ``tool_choice`` that names one function."""

    function: _ChosenFunction
    type: str = "function"


@dataclass(frozen=True)
class Offered:
    """The tools that may be called; ``free`` if the model may reply in words instead."""

    tools: Sequence[Tool]
    free: bool


def offered(tools: Sequence[Tool], choice: str | Choice | None) -> Offered | None:
    """What the model may call, None if nothing. Raises Invalid for a name that is not among the tools."""
    if not tools or choice == "none":
        return None
    if not isinstance(choice, Choice):
        return Offered(tools, free=choice != "required")
    named = [tool for tool in tools if tool.function.name == choice.function.name]
    if not named:
        raise Invalid(
            f"'tool_choice' names '{choice.function.name}', which is not among 'tools'.",
            code="invalid_value",
            param="tool_choice",
        )
    return Offered(named, free=False)


def members(offer: Offered, messages: bytes) -> bytes:
    """JSON members, without braces, that put the tools before an engine. ``messages`` is the client's list."""
    told = (_FREE if offer.free else _FORCED) + "\n".join(
        msgspec.json.encode(tool.function).decode() for tool in offer.tools
    )
    schemas = [_call_schema(tool) for tool in offer.tools] + ([_REPLY_SCHEMA] if offer.free else [])
    schema = {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
    body = {
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": schema}},
        "messages": [{"role": "system", "content": told}, *map(_plain, msgspec.json.decode(messages))],
    }
    return msgspec.json.encode(body)[1:-1]


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """An earlier call as the JSON it was, its result as something the user says: roles that every template has."""
    if calls := message.get("tool_calls"):
        functions = [call["function"] for call in calls]
        said = [f'{{"name":"{one["name"]}","arguments":{one["arguments"]}}}' for one in functions]
        return {"role": "assistant", "content": "\n".join(said)}
    if message.get("role") in ("tool", "function"):
        return {"role": "user", "content": f"The function returned: {message.get('content') or ''}"}
    return message


def as_calls(answer: dict[str, Any]) -> dict[str, Any]:
    """A whole answer with its text turned into a tool call, unless it was cut short by its token limit."""
    return {**answer, "choices": [_called(choice) for choice in answer.get("choices", ())]}


def as_events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream that says the same as a whole answer, without its usage."""
    head = {**{name: answer[name] for name in ("id", "created", "model")}, "object": "chat.completion.chunk"}
    events = []
    for choice in answer["choices"]:
        message = choice["message"]
        calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls", ()))]
        delta = {**message, "tool_calls": calls} if calls else message
        for shown, finish in ((delta, None), ({}, choice["finish_reason"])):
            events.append({**head, "choices": [{"index": choice["index"], "delta": shown, "finish_reason": finish}]})
    return events


def _call_schema(tool: Tool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": [tool.function.name]},
            "arguments": tool.function.parameters or {"type": "object"},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _called(choice: dict[str, Any]) -> dict[str, Any]:
    text = choice["message"]["content"] or ""
    try:
        said = _decoded(text)
        if "reply" in said:
            return {**choice, "message": {"role": "assistant", "content": said["reply"]}}
        function = {"name": said["name"], "arguments": msgspec.json.encode(said["arguments"]).decode()}
    except (msgspec.DecodeError, KeyError, TypeError):
        if choice.get("finish_reason") == "length":
            return choice
        raise UpstreamFailed("The model did not produce a tool call. Please try again.", code="no_tool_call") from None
    calls = [{"id": new_id("call_"), "type": "function", "function": function}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**choice, "message": message, "finish_reason": "tool_calls"}


def _decoded(text: str) -> dict[str, Any]:
    """What was said. A token limit or a stop sequence most likely ended it within a reply's words."""
    try:
        return _SAID.decode(text)
    except msgspec.DecodeError:
        return _SAID.decode(text + '"}')
