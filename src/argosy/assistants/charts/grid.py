"""The chart kind `table`: groups and exact values as a drawn table."""

from __future__ import annotations

from typing import Any

from argosy.assistants.charts.axes import Point, Vega
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.style import FONT, INK, MUTED
from argosy.assistants.charts.words import measure_name, word

_ROWS_MAX = 60
_WIDTH, _STEP, _INSET = 460, 30, 14
_LINE = {"field": "line", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0, "paddingOuter": 0}}


def grid(points: list[Point], spec: ChartSpec, language: str) -> Vega:
    """Draw a heading, a rule, and one striped line a group; past 60 groups, say how many more there are."""
    shown = points[:_ROWS_MAX]
    lines = [{"left": word(spec.group_by, language), "right": measure_name(spec, language)}]
    lines += [{"left": p["group"], "right": p["exact"]} for p in shown]
    if len(points) > len(shown):
        lines.append({"left": word("more", language).format(len(points) - len(shown)), "right": ""})
    data = [{"line": i, **line} for i, line in enumerate(lines)]
    heading, body = _cells("datum.line == 0", MUTED, 12.5, 600), _cells("datum.line > 0", INK, 13.5, 400)
    layers = [_stripes(), _rule(), *heading, *body]
    return {"data": {"values": data}, "width": _WIDTH, "height": {"step": _STEP}, "layer": layers}


def _stripes() -> Vega:
    band = {"type": "rect", "color": "#f4f7f9", "x": 0, "x2": _WIDTH}
    where = [{"filter": "datum.line > 0 && datum.line % 2 == 0"}]
    return {"transform": where, "mark": band, "encoding": {"y": _LINE}}


def _rule() -> Vega:
    rule = {"type": "rule", "color": "#b9c4cd", "strokeWidth": 1, "x": 0, "x2": _WIDTH}
    where = [{"filter": "datum.line == 0"}]
    return {"transform": where, "mark": rule, "encoding": {"y": {**_LINE, "bandPosition": 1}}}


def _cells(where: str, color: str, size: float, weight: int) -> list[Vega]:
    look: dict[str, Any] = {"type": "text", "font": FONT, "fontSize": size, "fontWeight": weight, "color": color}
    return [
        {
            "transform": [{"filter": where}],
            "mark": {**look, "align": align, "baseline": "middle"},
            "encoding": {"y": {**_LINE, "bandPosition": 0.5}, "x": {"value": x}, "text": {"field": align}},
        }
        for align, x in (("left", _INSET), ("right", _WIDTH - _INSET))
    ]
