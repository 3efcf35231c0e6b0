"""A JSON document without what its rules find: the values change, its shape and the members' names do not.

Where a text is JSON itself, such as the arguments of a tool call, it is JSON afterwards too.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from argosy.redaction.rules import FINDERS, Span, widened

Replace = Callable[[str], str]
PATTERN_LENGTH = 300
PATTERNS_LIMIT = 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
_PLAIN = frozenset(("role", "type", "finish_reason", "required"))
"""Members whose values are words of the wire itself, not anybody's."""
DROPS = ("system", "user", "tool_arguments")
"""What can be left out whole: system messages, the name of the end user, the arguments of tool calls."""


class Pattern(msgspec.Struct, frozen=True):
    """An expression of the project's own. What it matches becomes its name in brackets."""

    name: str
    pattern: str


class Rules(msgspec.Struct, frozen=True):
    """What is taken out of a document."""

    builtin: tuple[str, ...] = tuple(FINDERS)
    patterns: tuple[Pattern, ...] = ()
    drop: tuple[str, ...] = ()
    """Of `DROPS`."""


def compiled(pattern: Pattern) -> re.Pattern[str]:
    """The expression. Raises ValueError that says what is wrong with it."""
    if not _NAME.fullmatch(pattern.name):
        raise ValueError("the name must be 1 to 30 lower-case letters, digits and _, and begin with a letter")
    if not 0 < len(pattern.pattern) <= PATTERN_LENGTH:
        raise ValueError(f"the expression must have 1 to {PATTERN_LENGTH} characters")
    try:
        found = re.compile(pattern.pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    if found.match(""):
        raise ValueError("it matches the empty text, which is everywhere")
    return found


def redact(document: Any, rules: Rules) -> Any:
    """The document as it may be kept. Raises ValueError for a pattern that is none."""
    if rules.drop:
        document = _without(document, rules.drop)
    return _cleaned(document, _replacer(rules), "")


@lru_cache(256)
def _replacer(rules: Rules) -> Replace:
    """What replaces all that is found in one text. Where finds overlap, all of it goes, by the longest one's name.

    Of two that are the same the project's own counts, else the one that is told first in `FINDERS`.
    """
    finders = [(rank, name, FINDERS[name]) for rank, name in enumerate(FINDERS) if name in rules.builtin]
    own = [(pattern.name, compiled(pattern)) for pattern in rules.patterns]

    def replace(text: str) -> str:
        plain = widened(text)
        found = [(span, -1, name) for name, pattern in own for span in map(re.Match.span, pattern.finditer(text))]
        found += [(span, rank, name) for rank, name, find in finders for span in find(plain)]
        return _replaced(text, found) if found else text

    return replace


def _replaced(text: str, found: Iterable[tuple[Span, int, str]]) -> str:
    pieces: list[str] = []
    done = start = end = longest = 0
    label = ""
    for (begins, ends), _, name in sorted(found):
        if begins == ends:
            continue
        if label and begins < end:
            if ends - begins > longest:
                longest, label = ends - begins, name
            end = max(end, ends)
            continue
        if label:
            pieces += (text[done:start], f"[{label}]")
            done = end
        start, end, longest, label = begins, ends, ends - begins, name
    if label:
        pieces += (text[done:start], f"[{label}]")
        done = end
    return "".join((*pieces, text[done:]))


def _cleaned(value: Any, replace: Replace, member: str) -> Any:
    """A value of the document. ``member``: the name that it is under."""
    if isinstance(value, str):
        return value if member in _PLAIN else _text(value, replace)
    if isinstance(value, dict):
        return {name: _cleaned(each, replace, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each, replace, member) for each in value]
    return _number(value, replace)


def _text(text: str, replace: Replace) -> str:
    """A text; one that is JSON stays so, for which it is taken apart."""
    inner = _inner(text)
    if inner is None:
        return replace(text)
    cleaned = _data(inner, replace)
    if cleaned == inner and replace(text) == text:
        return text
    # Written anew also where only the text has a find: in a member that is there twice, of which one is read.
    return msgspec.json.encode(cleaned).decode()


def _inner(text: str) -> Any:
    """The list or object that a text holds, else None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found


def _data(value: Any, replace: Replace) -> Any:
    """Somebody's own data: here names of members are anybody's words too."""
    if isinstance(value, str):
        return _text(value, replace)
    if isinstance(value, list):
        return [_data(each, replace) for each in value]
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, each in value.items():
            cleaned = replace(name)
            unique, number = cleaned, 2
            while unique in found:
                unique, number = f"{cleaned} {number}", number + 1
            found[unique] = _data(each, replace)
        return found
    return _number(value, replace)


def _number(value: Any, replace: Replace) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = repr(value)
        cleaned = replace(written)
        return value if cleaned == written else cleaned
    return value


def _without(document: dict[str, Any], drop: Iterable[str]) -> dict[str, Any]:
    """The document of a request without the members that are not to be kept."""
    found = dict(document)
    if "user" in drop:
        found.pop("user", None)
    messages, choices = found.get("messages") or [], found.get("choices") or []
    if "system" in drop:
        messages = [message for message in messages if message.get("role") not in ("system", "developer")]
    if "tool_arguments" in drop:
        messages = [_without_arguments(message) for message in messages]
        choices = [{**choice, "message": _without_arguments(choice.get("message") or {})} for choice in choices]
    return {**found, "messages": messages, "choices": choices}


def _without_arguments(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {
        **message,
        "tool_calls": [{**call, "function": {**(call.get("function") or {}), "arguments": "{}"}} for call in calls],
    }
