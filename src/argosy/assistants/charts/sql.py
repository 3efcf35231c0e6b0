"""Chart spec → one parameterised SELECT. Values always travel as parameters; names are checked against the table."""

from __future__ import annotations

from datetime import date

from argosy.assistants.charts.spec import PERIODS, ChartSpec
from argosy.assistants.charts.table import Query, Table, quoted

# An average is rounded to the scale of the exact columns, so that equal charts give equal numbers.
_AGGREGATES = {"sum": "sum({})", "avg": "round(avg({}), 4)", "max": "max({})", "min": "min({})"}


def compile_sql(spec: ChartSpec, table: Table) -> Query:
    """Return the query whose rows are (group, value): periods in order of time, other groups largest first.

    A period's group is its first day. Raises Invalid when the spec does not fit the table.
    """
    spec.check(table)
    params: list[str | date] = []
    conditions: list[str] = []
    for column, value in spec.filters.items():
        conditions.append(f"{quoted(column, table)} = ?")
        params.append(value)
    for bound, sign in ((spec.start, ">="), (spec.end, "<=")):
        if bound and table.time:
            conditions.append(f"{quoted(table.time, table)} {sign} ?")
            params.append(bound)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    group = _group(spec, table)
    value_sql = _AGGREGATES[spec.aggregate].format(quoted(spec.measure, table))
    order = "1" if grouped_by_time(spec, table) else "2 DESC NULLS LAST, 1"
    sql = f"SELECT {group} AS grp, {value_sql} AS val FROM data{where} GROUP BY 1 ORDER BY {order}"  # noqa: S608
    return Query(sql, tuple(params))


def grouped_by_time(spec: ChartSpec, table: Table) -> bool:
    """Say whether the chart's groups are periods. A text column named like a period wins over the period."""
    return spec.group_by in PERIODS and spec.group_by not in table.dimensions


def _group(spec: ChartSpec, table: Table) -> str:
    if table.time and grouped_by_time(spec, table):
        return f"CAST(date_trunc('{spec.group_by}', {quoted(table.time, table)}) AS DATE)"
    return quoted(spec.group_by, table)
