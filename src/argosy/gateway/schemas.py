"""Several JSON schemas in one, each still meaning what it meant where it stood alone."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any] | bool


class Definitions:
    """The parts of one schema that is put together.

    A reference counts from the root, so a part that has any becomes a definition there, and its references are written
    anew.
    """

    def __init__(self) -> None:
        self._found: dict[str, Schema] = {}

    def place(self, schema: Schema) -> Schema:
        """What to write in the place of a schema."""
        if not _refers(schema):
            return schema
        name = f"part_{len(self._found)}"
        root = f"#/$defs/{name}"
        self._found[name] = _moved(schema, root)
        return {"$ref": root}

    def one_of(self, schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The schema that any of ``schemas`` fulfils, which have come from `place` where they are not our own."""
        whole: dict[str, Any] = {"anyOf": list(schemas)} if len(schemas) > 1 else dict(schemas[0])
        return {**whole, "$defs": self._found} if self._found else whole


def _refers(node: Any) -> bool:
    if isinstance(node, list):
        return any(map(_refers, node))
    return isinstance(node, dict) and (isinstance(node.get("$ref"), str) or any(map(_refers, node.values())))


def _moved(node: Any, root: str) -> Any:
    if isinstance(node, list):
        return [_moved(each, root) for each in node]
    if not isinstance(node, dict):
        return node
    moved = {name: _moved(value, root) for name, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = root + reference[1:]
    return moved
