"""The chart spec: what a model answers when it is asked for a chart. Seven fields, flat, no SQL and no numbers."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, get_args

import msgspec

from argosy.assistants.charts.table import Table
from argosy.core import Invalid

ChartKind = Literal["bar", "line", "pie", "area", "table"]
Aggregate = Literal["sum", "avg", "max", "min"]
CHART_KINDS: tuple[ChartKind, ...] = get_args(ChartKind)
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
PERIODS = ("month", "quarter", "year")

_TEXT_MAX = 4000  # characters; a spec of seven fields is about 200
_VALUE_MAX = 200
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*?)\n?\s*```$", re.DOTALL)


class ChartSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One chart. Days are inclusive; an absent bound is None; filters are column → value, all of which must hold."""

    chart: ChartKind
    measure: str
    aggregate: Aggregate
    group_by: str
    filters: dict[str, str]
    start: date | None
    end: date | None

    @classmethod
    def parse(cls, text: str) -> ChartSpec:
        """Read a model's answer: JSON, at most in a code fence or among blanks. Raises Invalid with the reason."""
        if len(text) > _TEXT_MAX:
            raise _invalid(f"it has {len(text):,} characters, the limit is {_TEXT_MAX:,}")
        text = text.strip()
        fenced = _FENCE.match(text)
        try:
            spec = msgspec.json.decode(fenced[1] if fenced else text, type=cls)
        except msgspec.DecodeError as error:
            raise _invalid(str(error)) from error
        if spec.start and spec.end and spec.start > spec.end:
            raise _invalid(f"it starts on {spec.start}, after its end on {spec.end}")
        if any(len(value) > _VALUE_MAX for value in spec.filters.values()):
            raise _invalid(f"a filter value has more than {_VALUE_MAX} characters")
        return spec

    def as_json(self) -> str:
        """Return the spec as compact JSON, the fields in their order."""
        return msgspec.json.encode(self).decode()

    def check(self, table: Table) -> None:
        """Raise Invalid unless every column the spec names is in the table and of a kind that fits its use."""
        _one_of("measure", self.measure, table.measures)
        _one_of("group_by", self.group_by, groupings(table))
        for column in self.filters:
            _one_of("filters", column, table.dimensions)
        if (self.start or self.end) and table.time is None:
            raise _invalid("it names a period, but the table has no date column")


def groupings(table: Table) -> tuple[str, ...]:
    """Return what a chart of this table may be grouped by: its text columns, and periods when it has dates."""
    return (*table.dimensions, *(PERIODS if table.time else ()))


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _invalid(f"{field} is {value[:60]!r}; this table allows {', '.join(allowed) or 'none'}", field)


def _invalid(reason: str, field: str | None = None) -> Invalid:
    return Invalid(f"The answer is not a chart spec: {reason}.", code="invalid_chart_spec", param=field)
