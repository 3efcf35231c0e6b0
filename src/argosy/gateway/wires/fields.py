"""Reading requests of other wires: every member is understood, or refused by name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from argosy.core import Invalid
from argosy.gateway.reading import decode, refuse_member, too_deep

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_MEMBERS = msgspec.json.Decoder(dict[str, Any])
_ROOM = 64
Neutral = Mapping[str, Sequence[Any]]
"""Members that a wire has and we do not, each with the values that change nothing, which may therefore be sent."""


def read(body: bytes, fields: msgspec.json.Decoder[S], neutral: Neutral) -> S:
    """The body as ``fields``. Raises Invalid for a bad member, and for one that we would have to ignore."""
    found = decode(fields, body)
    _refuse_others(decode(_MEMBERS, body), type(found), neutral)
    return found


def read_part(value: dict[str, Any], kind: type[S], place: str, neutral: Neutral = MappingProxyType({})) -> S:
    """An object within a body, in the same way; ``place`` is what it is called there."""
    found = convert(value, kind, place)
    _refuse_others(value, kind, neutral, f"{place}.")
    return found


def _refuse_others(members: dict[str, Any], kind: type[msgspec.Struct], neutral: Neutral, above: str = "") -> None:
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name, value in members.items():
        if name not in known and value is not None and value not in neutral.get(name, ()):
            raise unsupported(above + name)


def write(body: object) -> bytes:
    """As JSON, with room to put it deeper into something else later. Raises Invalid if it is nested too deeply."""
    for _ in range(_ROOM):
        body = [body]
    try:
        return msgspec.json.encode(body)[_ROOM:-_ROOM]
    except RecursionError:
        raise too_deep() from None


def given(members: Mapping[str, Any]) -> bytes:
    """The members that have a value, as a JSON object. Raises Invalid if they are nested too deeply."""
    return write({name: value for name, value in members.items() if value is not None})


def unsupported(param: str, reason: str = "is not supported here. Leave it out.") -> Invalid:
    """A member that cannot be carried out; ``reason`` goes on after its name."""
    return Invalid(f"'{param}' {reason}", code="unsupported_parameter", param=param)


def convert(value: Any, kind: type[T], place: str) -> T:
    """A part of a body as ``kind``. Raises Invalid that names the member below ``place``."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        refuse_member(str(error), place)


def json_schema(schema: dict[str, Any], name: str, strict: bool | None, description: str | None) -> dict[str, Any]:
    """A chat completion's ``response_format`` that holds the answer to a schema."""
    named: dict[str, Any] = {"name": name, "schema": schema}
    if strict is not None:
        named["strict"] = strict
    if description is not None:
        named["description"] = description
    return {"type": "json_schema", "json_schema": named}
