"""What a caller asks for: OpenAI's body for a new batch, checked field by field."""

from dataclasses import dataclass
from typing import Any

from argosy.core import Invalid
from argosy.gateway import Kind

ENDPOINTS = (Kind.CHAT.path, Kind.TEXT.path, Kind.EMBEDDING.path)
"""Paths that the lines of a batch may go to: all lines of one batch to the same."""
WINDOW, WINDOW_S = "24h", 86_400
"""The one completion window there is."""

_FIELDS = ("input_file_id", "endpoint", "completion_window", "metadata")
_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512


@dataclass(frozen=True)
class BatchRequest:
    """A well-formed request. Whether the file exists is not known yet."""

    input_file: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None


def read_request(body: dict[str, Any]) -> BatchRequest:
    """Check a JSON object. Raises Invalid, with the field's name as ``param``."""
    for name in sorted(body.keys() - set(_FIELDS)):
        raise Invalid(
            f"Unknown parameter '{name[:40]}'. Known ones: {', '.join(_FIELDS)}.",
            code="unknown_parameter",
            param=name[:40],
        )
    return BatchRequest(
        input_file=_text(body, "input_file_id"),
        endpoint=_one_of(body, "endpoint", ENDPOINTS),
        completion_window=_one_of(body, "completion_window", (WINDOW,)),
        metadata=_metadata(body.get("metadata")),
    )


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise Invalid(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Invalid(f"'{name}' must be a non-empty string of printable characters.", code="invalid_type", param=name)
    return value


def _one_of(body: dict[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = _text(body, name)
    if value not in known:
        raise Invalid(f"'{name}' must be {' or '.join(known)}.", code="invalid_value", param=name)
    return value


def _metadata(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and len(value) <= _METADATA_PAIRS and all(map(_is_pair, value.items())):
        return value
    raise Invalid(
        f"'metadata' takes at most {_METADATA_PAIRS} pairs of strings: keys up to {_METADATA_KEY} characters, "
        f"values up to {_METADATA_VALUE}.",
        code="invalid_value",
        param="metadata",
    )


def _is_pair(pair: tuple[object, object]) -> bool:
    key, text = pair
    return isinstance(key, str) and len(key) <= _METADATA_KEY and isinstance(text, str) and len(text) <= _METADATA_VALUE
