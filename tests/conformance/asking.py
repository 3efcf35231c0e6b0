"""What the tests of this folder ask for, and how they look at what it cost."""

from typing import Any

from tests.flows.platform import STARTER, RunningPlatform, until

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": STARTER, "messages": HELLO, "temperature": 0, "max_tokens": 12}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {"name": "get_time", "description": "The time now", "parameters": {"type": "object", "properties": {}}},
}


def words_of(chunks: list[Any], index: int = 0) -> str:
    """What the chunks of a stream say in one of its choices."""
    told = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in told)


def rows_of(platform: RunningPlatform, model: str, count: int = 1) -> list[dict[str, Any]]:
    """The usage rows of a model, once there are ``count`` of them. Fails if there are more."""
    found = until(lambda: _rows(platform, model, count), 20, f"not {count} usage rows of {model}")
    assert len(found) == count
    return found


def _rows(platform: RunningPlatform, model: str, count: int) -> list[dict[str, Any]] | None:
    found = [row for row in platform.usage_rows() if row["model"] == model]
    return found if len(found) >= count else None
