"""Tool calls on models that were never taught any: the answer is held to a schema of the tools, or of a plain reply.

Where the client has a schema of its own, that takes the place of the reply.

The tools go into a system message, earlier calls and results into messages that any template knows, the choice into a
``response_format`` that the engine enforces, and the answer back into OpenAI's ``tool_calls`` or content.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from argosy.core import Invalid, UpstreamFailed, new_id
from argosy.gateway.schemas import Definitions, Schema

_FORCED = (
    "You answer by calling one of these functions, as JSON with the members name and arguments. "
    "Take the arguments from what the user says.\n"
)
_FREE = (
    "You answer with JSON: either the members name and arguments, to call one of these functions with arguments taken "
    "from what the user says, or the one member reply, to answer in words.\n"
)
_BOUND = (
    "You answer with JSON: either the members name and arguments, to call one of these functions with arguments taken "
    "from what the user says, or the one member answer, to answer with JSON of the schema at the end.\n"
)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CUT_ANSWER = re.compile(r'\s*\{\s*"answer"\s*:\s*')


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


def members(offer: Offered, messages: bytes, answer: Schema | None = None) -> bytes:
    """JSON members, without braces, that put the tools before an engine. ``messages`` is the client's list.

    ``answer`` is the schema of what the model says if it calls nothing; None for words.
    """
    told = [_FORCED if not offer.free else _FREE if answer is None else _BOUND]
    told += [msgspec.json.encode(tool.function).decode() + "\n" for tool in offer.tools]
    definitions = Definitions()
    schemas = [_call_schema(tool, definitions) for tool in offer.tools]
    if offer.free and answer is not None:
        told.append(f"Schema of the answer: {msgspec.json.encode(answer).decode()}\n")
        schemas.append(_object({"answer": definitions.place(answer)}))
    elif offer.free:
        schemas.append(_object({"reply": {"type": "string"}}))
    schema = definitions.one_of(schemas)
    body = {
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": schema}},
        "messages": [{"role": "system", "content": "".join(told)[:-1]}, *map(_plain, msgspec.json.decode(messages))],
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


def _call_schema(tool: Tool, definitions: Definitions) -> dict[str, Any]:
    arguments = definitions.place(tool.function.parameters or {"type": "object"})
    return _object({"name": {"type": "string", "enum": [tool.function.name]}, "arguments": arguments})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _called(choice: dict[str, Any]) -> dict[str, Any]:
    text = choice["message"]["content"] or ""
    if begun := _CUT_ANSWER.match(text):
        return {**choice, "message": {"role": "assistant", "content": _answer(text, begun.end())}}
    try:
        said = _decoded(text)
        if "reply" in said:
            return {**choice, "message": {"role": "assistant", "content": said["reply"]}}
        function = {"name": said["name"], "arguments": msgspec.json.encode(said["arguments"]).decode()}
    except (msgspec.DecodeError, KeyError, TypeError):
        if choice.get("finish_reason") == "length":
            return choice
        raise _no_tool_call() from None
    calls = [{"id": new_id("call_"), "type": "function", "function": function}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**choice, "message": message, "finish_reason": "tool_calls"}


def _answer(text: str, start: int) -> str:
    """What the client's schema holds, in the very words of the model; as far as it goes if it was cut short."""
    try:
        return bytes(_MEMBERS.decode(text)["answer"]).decode()
    except msgspec.DecodeError:
        return text[start:]


def _no_tool_call() -> UpstreamFailed:
    return UpstreamFailed("The model did not produce a tool call. Please try again.", code="no_tool_call")


def _decoded(text: str) -> dict[str, Any]:
    """What was said. A token limit or a stop sequence most likely ended it within a reply's words."""
    try:
        return _SAID.decode(text)
    except msgspec.DecodeError:
        return _SAID.decode(text + '"}')
