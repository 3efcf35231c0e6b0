"""Items of a conversation, as the Responses API has them, and the chat messages that say the same."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core import Invalid, new_id
from argosy.gateway.wires.fields import convert

Item = dict[str, Any]
Place = str
"""Where an item stands in the request, for errors: ``input[2]``."""


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Part]


class _Call(msgspec.Struct):
    call_id: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(min_length=1)]
    arguments: str


class _CallOutput(msgspec.Struct):
    call_id: str
    output: str | list[_Part]


_TEXTS = ("input_text", "output_text", "refusal", "reasoning_text")


def input_items(given: str | Sequence[Item]) -> list[Item]:
    """The input of a request as items that each have a type. A plain text is what the user says."""
    if isinstance(given, str):
        given = [{"role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [item if item.get("type") else {**item, "type": "message"} for item in given]


def with_ids(items: Iterable[Item]) -> list[Item]:
    """The same items, those that had none with an id of their own, by which they can be listed."""
    return [{**item, "id": item.get("id") or new_id(_PREFIXES.get(item["type"], "msg_"))} for item in items]


_PREFIXES = {"function_call": "fc_", "function_call_output": "fco_"}


def messages(items: Iterable[tuple[Place, Item]]) -> list[dict[str, Any]]:
    """Chat messages in the order of the items; the calls of one turn share a message. Raises Invalid."""
    found: list[dict[str, Any]] = []
    called: set[str] = set()
    for place, item in items:
        match item["type"]:
            case "message":
                said = convert(item, _Message, place)
                found.append({"role": said.role, "content": _text(said.content, f"{place}.content")})
            case "function_call":
                call = convert(item, _Call, place)
                called.add(call.call_id)
                _calls_of_turn(found).append(_chat_call(call))
            case "function_call_output":
                output = convert(item, _CallOutput, place)
                if output.call_id not in called:
                    raise Invalid(
                        f"No function call with the call_id '{output.call_id}' comes before its output at '{place}'.",
                        code="invalid_value",
                        param=f"{place}.call_id",
                    )
                text = _text(output.output, f"{place}.output")
                found.append({"role": "tool", "tool_call_id": output.call_id, "content": text})
            case "reasoning":
                pass  # what a model thought in an earlier turn is not put before it again
            case other:
                raise Invalid(
                    f"Items of the type '{other}' are not supported here; messages, function_call and "
                    "function_call_output are.",
                    code="unsupported_item",
                    param=f"{place}.type",
                )
    return found


def _calls_of_turn(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The list of calls of the assistant's turn that the conversation is at."""
    if not found or found[-1]["role"] != "assistant":
        found.append({"role": "assistant", "content": None})
    calls: list[dict[str, Any]] = found[-1].setdefault("tool_calls", [])
    return calls


def _chat_call(call: _Call) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _text(content: str | Sequence[_Part], place: Place) -> str:
    """The words of a content. Raises Invalid for what is not words."""
    if isinstance(content, str):
        return content
    for number, part in enumerate(content):
        if part.type not in _TEXTS:
            raise Invalid(
                f"Content of the type '{part.type}' is not supported here: models read text only.",
                code="unsupported_content",
                param=f"{place}[{number}].type",
            )
    return "\n".join(part.text or part.refusal for part in content)
