"""Lines and areas, with dots and labels while they have room."""

from __future__ import annotations

from argosy.assistants.charts.axes import Point, Vega, group_axis, sized, value_axis
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.style import FONT, INK, MAIN

_DOTS_MAX, _LABELS_MAX = 24, 12
_LINE = {"type": "line", "strokeWidth": 2.5, "color": MAIN}
_AREA = {
    "type": "area",
    "line": {"color": MAIN, "strokeWidth": 2.5},
    "color": {
        "gradient": "linear", "x1": 0, "x2": 0, "y1": 0, "y2": 1,
        "stops": [{"offset": 0, "color": f"{MAIN}b0"}, {"offset": 1, "color": f"{MAIN}18"}],
    },
}  # fmt: skip


def lines(points: list[Point], spec: ChartSpec, language: str) -> Vega:
    """Draw a line. Its axis need not begin at zero: what counts is the change."""
    return _over(points, spec, language, _LINE, zero=False)


def areas(points: list[Point], spec: ChartSpec, language: str) -> Vega:
    """Draw a filled line. Its axis begins at zero: the filled height is the value."""
    return _over(points, spec, language, _AREA, zero=True)


def _over(points: list[Point], spec: ChartSpec, language: str, mark: Vega, *, zero: bool) -> Vega:
    layers: list[Vega] = [{"mark": mark}]
    if len(points) <= _DOTS_MAX:
        layers.append({"mark": {"type": "point", "filled": True, "size": 55, "color": MAIN, "opacity": 1}})
    if len(points) <= _LABELS_MAX:
        for i, point in enumerate(points):
            point["under"] = mark is _LINE and _is_dip(points, i)
        layers += [_labels("!datum.under", -14), _labels("datum.under", 17)]
    x = group_axis(points, spec, language, temporal=True)
    y = value_axis(points, spec, language, zero=zero)
    return {**sized(points), "encoding": {"x": x, "y": y}, "layer": layers}


def _is_dip(points: list[Point], i: int) -> bool:
    """Say whether the line rises to both sides, so that a label above the point would cross it."""
    around = [points[j]["value"] for j in (i - 1, i + 1) if 0 <= j < len(points)]
    return bool(around) and all(points[i]["value"] < value for value in around)


def _labels(where: str, dy: int) -> Vega:
    mark = {"type": "text", "dy": dy, "fontSize": 11.5, "font": FONT, "color": INK}
    return {"transform": [{"filter": where}], "mark": mark, "encoding": {"text": {"field": "label"}}}
