"""The JSON schema of a chart spec for one table, to hold a model to: `response_format` of type `json_schema`.

Flat on purpose: enums, a pattern for days, no references. llama.cpp turns it into a grammar that keeps the order of
the properties. A schema gives legal syntax and legal names; it does not give the right meaning.
"""

from __future__ import annotations

from typing import Any

from argosy.assistants.charts.spec import AGGREGATES, CHART_KINDS, groupings
from argosy.assistants.charts.table import Table


def json_schema(table: Table, *, values: bool = True) -> dict[str, Any]:
    """Return the schema of the specs that this table allows.

    With `values`, a filter takes only values that its column holds (columns of more than 200 values take any text).
    """
    fields: dict[str, Any] = {
        "chart": {"type": "string", "enum": list(CHART_KINDS)},
        "measure": {"type": "string", "enum": list(table.measures)},
        "aggregate": {"type": "string", "enum": list(AGGREGATES)},
        "group_by": {"type": "string", "enum": list(groupings(table))},
        "filters": {
            "type": "object",
            "properties": {column: _value(table, column, values) for column in table.dimensions},
            "additionalProperties": False,
        },
        "start": _day(),
        "end": _day(),
    }
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def response_format(table: Table, *, values: bool = True) -> dict[str, Any]:
    """Return the schema wrapped as the chat API's `response_format`."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "chart_spec", "strict": True, "schema": json_schema(table, values=values)},
    }


def _value(table: Table, column: str, values: bool) -> dict[str, Any]:
    known = table.values(column) if values else None
    return {"type": "string", "enum": known} if known else {"type": "string", "maxLength": 80}


def _day() -> dict[str, Any]:
    # Two plain branches: converters disagree about `type` lists that carry a pattern.
    return {"anyOf": [{"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}, {"type": "null"}]}
