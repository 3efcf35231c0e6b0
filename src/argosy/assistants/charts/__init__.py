"""The "ask data" chart engine: a model's answer becomes a checked chart spec, one parameterised SQL query on a locked
DuckDB, rows, and a Vega-Lite chart as PNG and SVG. The model never writes SQL and never writes numbers.
"""

from argosy.assistants.charts.answer import Chart, answer_to_chart
from argosy.assistants.charts.draw import vega_lite
from argosy.assistants.charts.execution import same_answer, same_result
from argosy.assistants.charts.schema import json_schema, response_format
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.sql import compile_sql
from argosy.assistants.charts.table import Query, Table

__all__ = [
    "Chart",
    "ChartSpec",
    "Query",
    "Table",
    "answer_to_chart",
    "compile_sql",
    "json_schema",
    "response_format",
    "same_answer",
    "same_result",
    "vega_lite",
]
