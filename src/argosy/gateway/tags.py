"""What callers say of their requests in ``metadata``: kept on the usage row, never in logs or metrics.

Invariants: bounds and words of refusal are OpenAI's; what is kept can be read by every database.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from argosy.core import Invalid

PAIRS_MAX = 16
NAME_MAX = 64
"""Characters of a name."""
VALUE_MAX = 512
"""Characters of a value."""
_ANY = msgspec.json.Decoder()
_KINDS = {dict: "object", list: "array", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def read_tags(metadata: Mapping[str, Raw]) -> str:
    """The pairs as JSON, in the order in which they came. Raises Invalid."""
    if (pairs := len(metadata)) > PAIRS_MAX:
        raise _invalid(
            "metadata",
            f"too many properties. Expected an object with at most {PAIRS_MAX} properties, but got an object with "
            f"{pairs} properties instead",
            "object_above_max_properties",
        )
    return msgspec.json.encode({_name(name): _value(name, raw) for name, raw in metadata.items()}).decode()


def _name(name: str) -> str:
    if len(name) > NAME_MAX:
        raise _invalid(
            "metadata",
            f"property name '{name[:NAME_MAX]}…' is too long. Expected at most {NAME_MAX} characters, but got "
            f"{len(name)} instead",
            "property_name_above_max_length",
        )
    _check_text("metadata", name)
    return name


def _value(name: str, raw: Raw) -> str:
    place = f"metadata.{name[:NAME_MAX]}"
    try:
        value = _ANY.decode(raw)
    except (msgspec.DecodeError, RecursionError):  # nobody has looked into it before
        raise _invalid(place, "it is not valid JSON", "invalid_json") from None
    if not isinstance(value, str):
        raise Invalid(
            f"Invalid type for '{place}': expected a string, but got {_KINDS[type(value)]} instead.",
            code="invalid_type",
            param=place,
        )
    if len(value) > VALUE_MAX:
        raise _invalid(
            place,
            f"string too long. Expected a string with maximum length {VALUE_MAX}, but got a string with length "
            f"{len(value)} instead",
            "string_above_max_length",
        )
    _check_text(place, value)
    return value


def _check_text(place: str, text: str) -> None:
    """PostgreSQL cannot read a JSON text with a NUL in it."""
    if "\0" in text:
        raise _invalid(place, "it holds the character U+0000", "invalid_value")


def _invalid(place: str, why: str, code: str) -> Invalid:
    return Invalid(f"Invalid '{place}': {why}.", code=code, param=place)
