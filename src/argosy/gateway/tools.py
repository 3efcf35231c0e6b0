"""Tool calls on models that were never taught any: a forced call is an answer that must match the tools' schemas.

The tools go into a system message, the choice into a ``response_format`` that the engine enforces, and the answer back
into OpenAI's ``tool_calls``. A free choice between text and a call needs a model that was trained for it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from argosy.core import Invalid, UpstreamFailed, new_id

_MESSAGE = (
    "You answer by calling one of these functions, as JSON with the members name and arguments. "
    "Take the arguments from what the user says.\n"
)


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


def forced(tools: Sequence[Tool], choice: str | Choice | None) -> list[Tool]:
    """The tools of which one must be called; none if none may be. Raises Invalid for a free choice or a wrong name."""
    if not tools or choice == "none":
        return []
    if isinstance(choice, Choice):
        named = [tool for tool in tools if tool.function.name == choice.function.name]
        if not named:
            raise Invalid(
                f"'tool_choice' names '{choice.function.name}', which is not among 'tools'.",
                code="invalid_value",
                param="tool_choice",
            )
        return named
    if choice == "required":
        return list(tools)
    raise Invalid(
        "The models here cannot choose by themselves between text and a tool. Set 'tool_choice' to 'required' or to "
        "one function, or leave 'tools' out.",
        code="unsupported_parameter",
        param="tool_choice",
    )


def members(tools: Sequence[Tool], messages: bytes) -> bytes:
    """JSON members, without braces, that make an engine call one of the tools. ``messages`` is the client's list."""
    told = _MESSAGE + "\n".join(msgspec.json.encode(tool.function).decode() for tool in tools)
    system = msgspec.json.encode({"role": "system", "content": told})
    schema = {"anyOf": [_call_schema(tool) for tool in tools]} if len(tools) > 1 else _call_schema(tools[0])
    response_format = {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": schema}}
    return b'"tools":[],"tool_choice":"none","response_format":%s,"messages":[%s,%s' % (
        msgspec.json.encode(response_format),
        system,
        messages.strip()[1:],
    )


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
    if choice.get("finish_reason") == "length":
        return choice
    try:
        call = msgspec.json.decode(choice["message"]["content"] or "")
        function = {"name": call["name"], "arguments": msgspec.json.encode(call["arguments"]).decode()}
    except (msgspec.DecodeError, KeyError, TypeError):
        raise UpstreamFailed("The model did not produce a tool call. Please try again.", code="no_tool_call") from None
    calls = [{"id": new_id("call_"), "type": "function", "function": function}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**choice, "message": message, "finish_reason": "tool_calls"}
