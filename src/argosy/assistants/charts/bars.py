"""Bars: columns over time, horizontal bars for everything else, so that long names can be read."""

from __future__ import annotations

from typing import Any

from argosy.assistants.charts.axes import Point, Vega, group_axis, sized, value_axis
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.style import FONT, INK, LOSS, MAIN

_STEP = 34  # height of one horizontal bar
_COLUMN_LABELS_MAX = 14


def bars(points: list[Point], spec: ChartSpec, language: str) -> Vega:
    """Draw one bar a group, losses in red, each with its value while there is room."""
    value = value_axis(points, spec, language, zero=True)
    if points[0]["day"] is not None:
        return _columns(points, value, group_axis(points, spec, language, temporal=False))
    name = {
        "field": "group",
        "type": "nominal",
        "sort": None,
        "scale": {"paddingInner": 0.3},
        "axis": {"title": None, "ticks": False, "domain": False, "labelColor": INK, "labelLimit": 180},
    }
    labels = [_labels(dx=6, align="left"), _labels(dx=-6, align="right", losses=True)]
    encoding = {"x": value, "y": name}
    return {**sized(points), "height": {"step": _STEP}, "encoding": encoding, "layer": [_bar(), *labels]}


def _columns(points: list[Point], value: Vega, time: Vega) -> Vega:
    time["scale"] = {"paddingInner": 0.35, "paddingOuter": 0.25}
    labels = [_labels(dy=-9), _labels(dy=11, losses=True)] if len(points) <= _COLUMN_LABELS_MAX else []
    return {**sized(points), "encoding": {"x": time, "y": value}, "layer": [_bar(), *labels]}


def _bar() -> Vega:
    return {"mark": {"type": "bar", "cornerRadiusEnd": 3, "color": {"expr": f"datum.value < 0 ? '{LOSS}' : '{MAIN}'"}}}


def _labels(*, losses: bool = False, **offset: Any) -> Vega:
    """Label the ends of the bars: gains beyond their end, or `losses` beyond theirs."""
    mark = {"type": "text", "fontSize": 11.5, "font": FONT, "color": INK, **offset}
    test = "datum.value < 0" if losses else "datum.value >= 0"
    return {"transform": [{"filter": test}], "mark": mark, "encoding": {"text": {"field": "label"}}}
