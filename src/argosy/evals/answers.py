"""Reading JSON out of what a model wrote. Base models chat, fence and trail off; a grader must never raise on that."""

import json
import re
from typing import Any

_FENCE = re.compile(r"\A```[A-Za-z]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\Z", re.DOTALL)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice, so the answer does not say one thing")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)


def whole_object(answer: str) -> dict[str, Any] | None:
    """The JSON object that the whole answer is, or None.

    Whitespace around it and one Markdown code fence around it are allowed. Any other word before or after it, a key
    given twice, NaN or a truncated object make it None: a program reading the answer could not have used it as it is.
    """
    text = answer.strip()
    fenced = _FENCE.match(text)
    if fenced:
        text = fenced.group(1).strip()
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and end == len(text) else None


def first_object(answer: str) -> dict[str, Any] | None:
    """The first complete JSON object anywhere in the answer, or None: what a lenient reader would salvage."""
    start = answer.find("{")
    while start >= 0:
        try:
            value, _ = _DECODER.raw_decode(answer, start)
        except RecursionError:
            return None
        except ValueError:
            start = answer.find("{", start + 1)
            continue
        # raw_decode at a brace can only have read an object.
        return dict(value)
    return None


def same_json(one: Any, other: Any) -> bool:
    """Equality of JSON values: keys in any order, 1 equals 1.0, but true is not 1 and null is not a missing key."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return (type(one) is type(other) and one == other) or _same_number(one, other)


def _same_number(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other
