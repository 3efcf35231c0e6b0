"""Axes that lines, areas and bars share. Every label is worked out here, so that both languages read naturally."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.words import measure_name, period_parts

Vega = dict[str, Any]
# group: its label; day: a period's first day or None; value; label and exact: the value written short and in full
Point = dict[str, Any]

WIDTH, HEIGHT = 680, 360
_TIME_LABELS = 12


def sized(points: list[Point]) -> Vega:
    """Return the data and the usual size of a chart with axes."""
    return {"data": {"values": points}, "width": WIDTH, "height": HEIGHT}


def group_axis(points: list[Point], spec: ChartSpec, language: str, *, temporal: bool) -> Vega:
    """Return the horizontal axis: the periods in order of time, or the groups as they come.

    A `temporal` axis keeps the distance between periods, so that a month without rows shows as one.
    """
    if points[0]["day"] is None:
        crowded = len(points) > 9 or max(len(p["group"]) for p in points) > 12
        names = {"labelAngle": -40 if crowded else 0, "grid": False, "title": None, "labelLimit": 150}
        return {"field": "group", "type": "ordinal", "sort": None, "axis": names}
    days = [p["day"] for p in points][:: -(-len(points) // _TIME_LABELS)]
    key = "utcFormat(datum.value, '%Y-%m-%d')" if temporal else "datum.value"
    axis = {
        "values": [_epoch_ms(day) for day in days] if temporal else days,
        "labelExpr": f"{json.dumps(_time_labels(days, spec, language), ensure_ascii=False)}[{key}]",
        "labelAngle": 0,
        "grid": False,
        "title": None,
    }
    if temporal:
        return {"field": "day", "type": "temporal", "scale": {"type": "utc", "padding": 24}, "axis": axis}
    return {"field": "day", "type": "ordinal", "sort": None, "axis": axis}


def value_axis(points: list[Point], spec: ChartSpec, language: str, *, zero: bool) -> Vega:
    """Return the axis of the values, with room at both ends for the labels that stand there."""
    low, high = min(p["value"] for p in points), max(p["value"] for p in points)
    if zero or low == high:
        low, high = min(low, 0), max(high, 0)
    room = (high - low) * 0.1 or 1
    domain = [low - room if low else 0, high + room if high else 0]
    axis = {
        "labelExpr": _zh_ticks() if language == "zh" else _en_ticks(),
        "tickCount": 6,
        "domain": False,
        "ticks": False,
        "title": measure_name(spec, language),
    }
    return {"field": "value", "type": "quantitative", "scale": {"domain": domain, "nice": False}, "axis": axis}


def _time_labels(days: list[str], spec: ChartSpec, language: str) -> dict[str, list[str]]:
    """Return day → lines of its label. The year stands under its first label only, so that months do not repeat it."""
    labels = {}
    for i, day in enumerate(days):
        small, year = period_parts(date.fromisoformat(day), spec.group_by, language)
        new_year = i == 0 or days[i - 1][:4] != day[:4]
        labels[day] = [year] if not small else [small, year] if new_year else [small, ""]
    return labels


def _epoch_ms(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000


def _zh_ticks() -> str:
    return (
        "abs(datum.value) >= 1e8 ? format(datum.value / 1e8, ',.4~r') + '亿' : "
        "abs(datum.value) >= 1e4 ? format(datum.value / 1e4, ',.4~r') + '万' : format(datum.value, ',')"
    )


def _en_ticks() -> str:
    return "datum.value == 0 ? '0' : replace(replace(format(datum.value, '.4~s'), 'k', 'K'), 'G', 'B')"
