"""Execution match: two specs that give the same chart are equally right, however they are written."""

from __future__ import annotations

from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.sql import compile_sql
from argosy.assistants.charts.table import Table
from argosy.core import Invalid


def same_result(one: ChartSpec, other: ChartSpec, table: Table) -> bool:
    """Say whether both specs draw the same measure and kind of chart with the same rows.

    A spec that does not fit the table matches nothing. Two empty results do not match unless the specs are equal:
    a wrong name and a wrong date are both empty, yet not the same answer.
    """
    if one == other:
        return _rows(one, table) is not None
    if (one.chart, one.measure, one.group_by) != (other.chart, other.measure, other.group_by):
        return False
    rows = _rows(one, table)
    return bool(rows) and rows == _rows(other, table)


def same_answer(text: str, expected: str, table: Table) -> bool:
    """Say whether a model's answer draws the expected chart; False for an answer that is no spec at all."""
    try:
        return same_result(ChartSpec.parse(text), ChartSpec.parse(expected), table)
    except Invalid:
        return False


def _rows(spec: ChartSpec, table: Table) -> list[tuple[object, ...]] | None:
    try:
        return list(table.run(compile_sql(spec, table)))
    except Invalid:
        return None
