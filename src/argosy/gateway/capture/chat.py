"""A captured request as a row of training data, in the one shape of chat that training takes."""

from typing import Any

from argosy.gateway.capture.record import Content

_TEXT_ROLES = ("system", "developer", "user", "assistant")


def row(content: Content, correction: str | None = None) -> dict[str, Any] | None:
    """``{"messages": [...]}`` with the correction, if there is one, in the place of the answer.

    None where training could not use it: tools or pictures take part, the last answer was cut short or filtered, or
    something is empty.
    """
    messages = [_plain(message) for message in content.messages]
    answer = correction if correction is not None else _answer(content)
    if answer is None or not answer.strip():
        return None
    said = [message for message in messages if message is not None]
    if len(said) < len(messages) or not any(message["role"] != "system" for message in said):
        return None
    return {"messages": [*said, {"role": "assistant", "content": answer}]}


def _plain(message: dict[str, Any]) -> dict[str, Any] | None:
    """A message of nothing but text, None if it is another one."""
    role, text = message.get("role"), message.get("content")
    if role not in _TEXT_ROLES or message.get("tool_calls") or message.get("function_call"):
        return None
    if isinstance(text, list):
        parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in text]
        if not all(isinstance(part, str) for part in parts):
            return None
        text = "".join(str(part) for part in parts)
    role = "system" if role == "developer" else role
    if not isinstance(text, str) or (role != "system" and not text.strip()):
        return None
    return {"role": role, "content": text}


def _answer(content: Content) -> str | None:
    """The first answer, if it ended of its own and is text."""
    first = content.choices[0] if content.choices else {}
    message = _plain({"role": "assistant", **(first.get("message") or {})})
    return str(message["content"]) if message and first.get("finish_reason") == "stop" else None
