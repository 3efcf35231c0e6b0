"""Turns of a conversation, as the Messages API has them, and the chat messages that say the same."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core import Invalid
from argosy.gateway.wires.fields import convert

Block = dict[str, Any]


class Turn(msgspec.Struct):
    """One message of a request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class _Text(msgspec.Struct):
    text: str


class _ToolUse(msgspec.Struct):
    id: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(min_length=1)]
    input: dict[str, Any]


class _ToolResult(msgspec.Struct):
    tool_use_id: Annotated[str, Meta(min_length=1)]
    content: str | list[Block] | None = None
    is_error: bool | None = None


_THOUGHTS = ("thinking", "redacted_thinking")


def messages(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Chat messages in the order of the turns. Raises Invalid for what is not text, a call or its result."""
    found: list[dict[str, Any]] = []
    used: set[str] = set()
    for number, turn in enumerate(turns):
        place = f"messages.{number}.content"
        if isinstance(turn.content, str):
            found.append({"role": turn.role, "content": turn.content})
        elif turn.role == "assistant":
            found.append(_assistant(turn.content, place, used))
        elif turn.role == "user":
            found += _user(turn.content, place, used)
        else:
            found.append({"role": "system", "content": text(turn.content, place)})
    return found


def text(content: str | Sequence[Block], place: str) -> str:
    """The words of text blocks. Raises Invalid for any other block."""
    if isinstance(content, str):
        return content
    return "\n".join(_words(block, f"{place}.{number}") for number, block in enumerate(content))


def _words(block: Block, place: str) -> str:
    if block.get("type") != "text":
        raise _unsupported(block, place)
    return convert(block, _Text, place).text


def _assistant(blocks: Sequence[Block], place: str, used: set[str]) -> dict[str, Any]:
    said, calls = [], []
    for number, block in enumerate(blocks):
        if block.get("type") == "tool_use":
            use = convert(block, _ToolUse, f"{place}.{number}")
            used.add(use.id)
            called = {"name": use.name, "arguments": msgspec.json.encode(use.input).decode()}
            calls.append({"id": use.id, "type": "function", "function": called})
        elif block.get("type") not in _THOUGHTS:  # what a model thought in an earlier turn is not put before it again
            said.append(_words(block, f"{place}.{number}"))
    message: dict[str, Any] = {"role": "assistant", "content": "\n".join(said) if said or not calls else None}
    return {**message, "tool_calls": calls} if calls else message


def _user(blocks: Sequence[Block], place: str, used: set[str]) -> list[dict[str, Any]]:
    """Results of tools come first: they must follow their calls."""
    results, said = [], []
    for number, block in enumerate(blocks):
        where = f"{place}.{number}"
        if block.get("type") == "tool_result":
            result = convert(block, _ToolResult, where)
            if result.tool_use_id not in used:
                raise Invalid(
                    f"No tool_use block with the id '{result.tool_use_id}' comes before its result at '{where}'.",
                    code="invalid_value",
                    param=f"{where}.tool_use_id",
                )
            outcome = text(result.content or "", f"{where}.content")
            told = f"Error: {outcome}" if result.is_error else outcome
            results.append({"role": "tool", "tool_call_id": result.tool_use_id, "content": told})
        else:
            said.append(_words(block, where))
    return [*results, {"role": "user", "content": "\n".join(said)}] if said or not results else results


def _unsupported(block: Block, place: str) -> Invalid:
    kind = block.get("type")
    if kind is None:
        return Invalid(
            f"Missing required parameter: '{place}.type'.", code="missing_required_parameter", param=f"{place}.type"
        )
    return Invalid(
        f"Blocks of the type '{kind}' are not supported at '{place}': models read text only.",
        code="unsupported_content",
        param=f"{place}.type",
    )
