"""Pies, drawn as rings: the total in the middle, shares beside the slices and in the legend."""

from __future__ import annotations

from typing import Any

from argosy.assistants.charts.axes import Point, Vega
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.style import FONT, INK, MUTED, PALETTE
from argosy.assistants.charts.words import measure_name, short_number, word

_SLICES = 9  # more than this and the smallest become one slice "other"


def pie(points: list[Point], spec: ChartSpec, language: str) -> Vega:
    """Draw the groups as shares of their total. Values must not be negative."""
    slices = _largest(points, language)
    total = sum(p["value"] for p in slices) or 1
    for place, p in enumerate(slices):
        p["place"], p["share"] = place, f"{p['value'] / total:.1%}"
        p["legend"] = f"{p['group']}\u2002{p['share']}"
    layers = [_ring(slices, total)]
    if spec.aggregate == "sum":  # a total of averages or of peaks would mean nothing
        number = {"fontSize": 22, "fontWeight": 600, "color": INK, "dy": -8}
        layers.append(_middle(short_number(total, language), number))
        layers.append(_middle(measure_name(spec, language), {"fontSize": 12, "color": MUTED, "dy": 16}))
    return {"data": {"values": slices}, "width": 400, "height": 370, "layer": layers}


def _ring(slices: list[Point], total: float) -> Vega:
    names = [p["legend"] for p in slices]
    colour = {
        "field": "legend",
        "type": "nominal",
        "scale": {"domain": names, "range": [PALETTE[i % len(PALETTE)] for i in range(len(names))]},
        "legend": {"title": None, "orient": "right", "offset": 36, "labelLimit": 260, "columns": 1},
    }
    arc = {"type": "arc", "innerRadius": 78, "outerRadius": 150, "stroke": "white", "strokeWidth": 2}
    text = {"type": "text", "radius": 174, "fontSize": 12, "font": FONT}
    share = {"condition": {"test": f"datum.value / {total} >= 0.03", "field": "share"}, "value": ""}
    turn = {
        "theta": {"field": "value", "type": "quantitative", "stack": True},
        "order": {"field": "place"},
        "color": colour,
    }
    return {"encoding": turn, "layer": [{"mark": arc}, {"mark": text, "encoding": {"text": share}}]}


def _middle(text: str, look: dict[str, Any]) -> Vega:
    mark = {"type": "text", "font": FONT, **look}
    return {"data": {"values": [{"text": text}]}, "mark": mark, "encoding": {"text": {"field": "text"}}}


def _largest(points: list[Point], language: str) -> list[Point]:
    """Keep a pie readable: periods all stay in order; of other groups the smallest are summed up as one slice."""
    if len(points) <= _SLICES + 1 or points[0]["day"] is not None:
        return points
    rest = sum(p["value"] for p in points[_SLICES:])
    return [*points[:_SLICES], {"group": word("other", language), "value": rest, "day": None}]
