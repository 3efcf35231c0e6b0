"""The story: a model's answer → spec → SQL → rows → chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from argosy.assistants.charts.draw import Row, vega_lite
from argosy.assistants.charts.render import to_png, to_svg
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.sql import compile_sql
from argosy.assistants.charts.table import Table


@dataclass(frozen=True)
class Chart:
    """A drawn chart and all that led to it. `rows` are (group, value); no rows give a picture that says so."""

    spec: ChartSpec
    sql: str
    params: tuple[str | date, ...]
    rows: list[Row]
    png: bytes
    svg: str
    vega: dict[str, Any]


def answer_to_chart(text: str, table: Table, language: str, title: str | None = None) -> Chart:
    """Turn a model's answer into a chart with labels in `language` ("en" or "zh").

    Raises Invalid when the text is no chart spec, when the spec does not fit the table, or when the query is too slow.
    """
    spec = ChartSpec.parse(text)
    query = compile_sql(spec, table)
    rows = table.run(query)
    vega = vega_lite(spec, rows, language, title)
    return Chart(spec, query.sql, query.params, rows, to_png(vega), to_svg(vega), vega)
