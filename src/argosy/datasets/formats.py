"""One row of training data, in any of the shapes people have it in, as a list of messages."""

from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
"""``{"role": ..., "content": ...}``, and ``"weight": 0`` on an answer that is context only."""

ROLES = ("system", "user", "assistant")
_SHAREGPT_ROLES = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_SHAPES = (
    '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}, '
    '{"prompt": "...", "completion": "..."}, {"instruction": "...", "output": "..."} or {"conversations": [...]}'
)


@dataclass(eq=False)
class RowProblem(Exception):
    """What is wrong with a row: a stable code, and words for its owner."""

    code: str
    message: str


def read_row(row: object) -> tuple[str, list[Message]]:
    """The name of the row's format, and its messages, checked. Raises RowProblem."""
    if not isinstance(row, dict):
        raise RowProblem("not_an_object", "The line is valid JSON, but not an object in braces.")
    for name, key, read in _READERS:
        if key in row:
            messages = read(row)
            _check(messages)
            return name, messages
    raise RowProblem("unknown_format", f"The row has none of the known shapes: {_SHAPES}.")


def _from_messages(row: dict[str, Any]) -> list[Message]:
    items = _list(row, "messages")
    return [_message(item, place) for place, item in enumerate(items, start=1)]


def _from_prompt(row: dict[str, Any]) -> list[Message]:
    return [
        {"role": "user", "content": _text(row, "prompt")},
        {"role": "assistant", "content": _text(row, "completion")},
    ]


def _from_alpaca(row: dict[str, Any]) -> list[Message]:
    question = _text(row, "instruction")
    if row.get("input"):
        question = f"{question}\n\n{_text(row, 'input')}"
    system = [{"role": "system", "content": _text(row, "system")}] if row.get("system") else []
    return [*system, {"role": "user", "content": question}, {"role": "assistant", "content": _text(row, "output")}]


def _from_sharegpt(row: dict[str, Any]) -> list[Message]:
    messages = [{"role": "system", "content": _text(row, "system")}] if row.get("system") else []
    for place, item in enumerate(_list(row, "conversations"), start=1):
        if not isinstance(item, dict):
            raise RowProblem("invalid_message", f"Entry {place} of 'conversations' is not an object.")
        role = _SHAREGPT_ROLES.get(str(item.get("from")))
        if role is None:
            raise RowProblem(
                "invalid_role", f"Entry {place} is from {item.get('from')!r}; it must be 'system', 'human' or 'gpt'."
            )
        messages.append({"role": role, "content": _text(item, "value")})
    return messages


_READERS = (
    ("messages", "messages", _from_messages),
    ("prompt-completion", "prompt", _from_prompt),
    ("alpaca", "instruction", _from_alpaca),
    ("sharegpt", "conversations", _from_sharegpt),
)


def _message(item: object, place: int) -> Message:
    if not isinstance(item, dict):
        raise RowProblem("invalid_message", f"Message {place} is not an object with a role and a content.")
    role = "system" if item.get("role") == "developer" else item.get("role")
    if role in ("tool", "function") or item.get("tool_calls") or item.get("function_call"):
        raise RowProblem("tools_not_supported", f"Message {place} is a tool call or its result; take such rows out.")
    if role not in ROLES:
        raise RowProblem(
            "invalid_role", f"Message {place} has the role {role!r}; it must be one of {', '.join(ROLES)}."
        )
    message: Message = {"role": role, "content": _content(item, place)}
    if "weight" in item:
        weight = item["weight"]
        if role != "assistant" or type(weight) is not int or weight not in (0, 1):
            raise RowProblem(
                "invalid_weight",
                f"Message {place} has the weight {weight!r}; only assistant messages have one, 0 or 1.",
            )
        message |= {"weight": weight} if weight == 0 else {}
    return message


def _content(item: dict[str, Any], place: int) -> str:
    """The text of a message, which may be given as a string or as text parts."""
    content = item.get("content")
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "".join(_text(part, "text") for part in content)
    if not isinstance(content, str):
        raise RowProblem("invalid_content", f"Message {place} has no text as its 'content'.")
    return content


def _check(messages: list[Message]) -> None:
    """What every row must have, whatever shape it came in."""
    for place, message in enumerate(messages, start=1):
        if message["role"] != "system" and not message["content"].strip():
            answer = message["role"] == "assistant"
            raise RowProblem(
                "empty_answer" if answer else "empty_question",
                f"Message {place}, the {'answer' if answer else 'question'}, is empty.",
            )
    if messages[-1]["role"] != "assistant":
        raise RowProblem("no_answer", "The last message is not the assistant's, so there is nothing to learn.")
    if len(messages) < 2:
        raise RowProblem("no_question", "The row has an answer and nothing before it.")
    if not any(message["role"] == "assistant" and message.get("weight", 1) for message in messages):
        raise RowProblem("no_answer", "All answers of the row have weight 0, so there is nothing to learn.")


def _list(row: dict[str, Any], key: str) -> list[Any]:
    value = row[key]
    if not isinstance(value, list) or not value:
        raise RowProblem("invalid_messages", f"'{key}' is not a list with at least one entry.")
    return value


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise RowProblem("invalid_content", f"'{key}' is missing or not text.")
    return value
