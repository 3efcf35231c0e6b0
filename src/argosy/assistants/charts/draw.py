"""Chart spec and rows → a Vega-Lite specification that holds its own data and every label as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from argosy.assistants.charts.spec import PERIODS, ChartSpec
from argosy.assistants.charts.style import CONFIG, FAINT, FONT, INK, LOSS, MAIN, MUTED, PALETTE
from argosy.assistants.charts.table import Cell
from argosy.assistants.charts.words import (
    full_number,
    group_name,
    measure_name,
    short_number,
    subtitle_of,
    title_of,
    word,
)

Row = tuple[Cell, ...]
Vega = dict[str, Any]

_WIDTH, _HEIGHT = 680, 360
_BAR_STEP, _TABLE_STEP = 34, 30
_SLICES = 9  # more than this and the smallest become one slice "other"
_TABLE_ROWS = 40
_TIME_LABELS = 12


def vega_lite(spec: ChartSpec, rows: list[Row], language: str, title: str | None = None) -> Vega:
    """Return the chart as a Vega-Lite dict. Rows are (group, value) as `compile_sql` orders them.

    No rows give a chart that says so; a pie of negative values gives bars that say why.
    """
    points = [_point(row, spec, language) for row in rows if row[1] is not None]
    subtitle = [subtitle_of(spec, language)]
    if not points:
        body = _message(word("no_rows", language))
    elif spec.chart == "pie" and any(p["value"] < 0 for p in points):
        subtitle.append(word("as_bars", language))
        body = _bars(points, spec, language)
    else:
        body = _DRAWERS[spec.chart](points, spec, language)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": title or title_of(spec, language), "subtitle": subtitle},
        "config": CONFIG,
        **body,
    }


def _point(row: Row, spec: ChartSpec, language: str) -> dict[str, Any]:
    group, value = row
    number = value if isinstance(value, (int, float, Decimal)) else 0
    return {
        "group": group_name(group, spec, language),
        "day": group.isoformat() if isinstance(group, date) else None,
        "value": float(number),
        "label": short_number(number, language),
        "exact": full_number(number),
    }


def _lines(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    return _over_x(points, spec, language, [{"type": "line", "strokeWidth": 2.5, "color": MAIN}])


def _areas(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    fill = {
        "type": "area",
        "line": {"color": MAIN, "strokeWidth": 2.5},
        "color": {
            "gradient": "linear", "x1": 0, "x2": 0, "y1": 0, "y2": 1,
            "stops": [{"offset": 0, "color": "#1d6a96b0"}, {"offset": 1, "color": "#1d6a9618"}],
        },
    }  # fmt: skip
    return _over_x(points, spec, language, [fill])


def _over_x(points: list[dict[str, Any]], spec: ChartSpec, language: str, marks: list[Vega]) -> Vega:
    """Draw marks over time or over the groups from left to right, with dots and labels while they have room."""
    x = _x_axis(points, spec, language)
    layers: list[Vega] = [{"mark": mark} for mark in marks]
    if len(points) <= 24:
        layers.append({"mark": {"type": "point", "filled": True, "size": 55, "color": MAIN, "opacity": 1}})
    if len(points) <= 12:
        text = {"type": "text", "dy": -13, "fontSize": 11.5, "font": FONT, "color": INK}
        layers.append({"mark": text, "encoding": {"text": {"field": "label"}}})
    y = _value_axis(spec, language, zero=spec.chart == "area" or any(p["value"] <= 0 for p in points))
    return {**_sized(points), "encoding": {"x": x, "y": y}, "layer": layers}


def _x_axis(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    if points[0]["day"] is None:
        return _ordinal_axis(points, spec, language)
    days = [p["day"] for p in points]
    every = -(-len(days) // _TIME_LABELS)
    year = f"utcyear(datum.value) + '{'年' if language == 'zh' else ''}'"
    small = {
        "month": "utcmonth(datum.value) + 1 + '月'" if language == "zh" else "utcFormat(datum.value, '%b')",
        "quarter": "'Q' + (floor(utcmonth(datum.value) / 3) + 1)",
    }.get(spec.group_by)
    # The year stands under its first label only, so that months do not repeat it.
    first = " || ".join(f"utcFormat(datum.value, '%Y-%m-%d') == '{day}'" for day in _first_of_years(days[::every]))
    axis = {
        "values": [{"expr": f"utc({day[:4]}, {int(day[5:7]) - 1}, {int(day[8:])})"} for day in days[::every]],
        "labelExpr": f"[{small}, ({first}) ? {year} : '']" if small else year,
        "labelAngle": 0,
        "grid": False,
        "title": None,
    }
    axis["values"] = [_epoch_ms(day) for day in days[::every]]
    return {
        "field": "day",
        "type": "temporal",
        "scale": {"type": "utc", "padding": 22},
        "axis": axis,
    }


def _first_of_years(days: list[str]) -> list[str]:
    return [day for i, day in enumerate(days) if i == 0 or days[i - 1][:4] != day[:4]]


def _epoch_ms(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000


def _ordinal_axis(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    crowded = len(points) > 9 or max(len(p["group"]) for p in points) > 12
    axis = {"labelAngle": -40 if crowded else 0, "grid": False, "title": None, "labelLimit": 150}
    return {"field": "group", "type": "ordinal", "sort": None, "axis": axis}


def _bars(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    """Draw columns over time, and horizontal bars otherwise, so that long names can be read."""
    return _columns(points, spec, language) if spec.group_by in PERIODS else _rows_of_bars(points, spec, language)


def _columns(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    x = _ordinal_axis(points, spec, language)
    x["axis"]["labelOverlap"] = True
    layers: list[Vega] = [{"mark": _bar_mark()}]
    if len(points) <= 16:
        layers.append(_bar_labels(dy=-9))
        layers.append(_bar_labels(dy=11, losses=True))
    x["scale"] = {"paddingInner": 0.35, "paddingOuter": 0.25}
    return {**_sized(points), "encoding": {"x": x, "y": _value_axis(spec, language)}, "layer": layers}


def _rows_of_bars(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    y = {
        "field": "group",
        "type": "nominal",
        "sort": None,
        "scale": {"paddingInner": 0.3},
        "axis": {"title": None, "ticks": False, "domain": False, "labelColor": INK, "labelLimit": 180},
    }
    layers = [
        {"mark": _bar_mark()},
        _bar_labels(dx=6, align="left"),
        _bar_labels(dx=-6, align="right", losses=True),
    ]
    x = _value_axis(spec, language)
    return {**_sized(points), "height": {"step": _BAR_STEP}, "encoding": {"x": x, "y": y}, "layer": layers}


def _bar_mark() -> Vega:
    return {"type": "bar", "cornerRadiusEnd": 3, "color": {"expr": f"datum.value < 0 ? '{LOSS}' : '{MAIN}'"}}


def _bar_labels(*, losses: bool = False, **offset: Any) -> Vega:
    """Label the ends of the bars: gains beyond the end, or `losses` beyond theirs."""
    mark = {"type": "text", "fontSize": 11.5, "font": FONT, "color": INK, **offset}
    test = "datum.value < 0" if losses else "datum.value >= 0"
    return {"transform": [{"filter": test}], "mark": mark, "encoding": {"text": {"field": "label"}}}


def _pie(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    slices = _largest(points, language)
    total = sum(p["value"] for p in slices) or 1
    for place, p in enumerate(slices):
        p["place"], p["share"] = place, f"{p['value'] / total:.1%}"
        p["legend"] = f"{p['group']}  {p['share']}"
    names = [p["legend"] for p in slices]
    colour = {
        "field": "legend",
        "type": "nominal",
        "scale": {"domain": names, "range": [PALETTE[i % len(PALETTE)] for i in range(len(names))]},
        "legend": {"title": None, "orient": "right", "offset": 36, "labelLimit": 260, "columns": 1},
    }
    arc = {"type": "arc", "innerRadius": 78, "outerRadius": 150, "stroke": "white", "strokeWidth": 2}
    text = {"type": "text", "radius": 174, "fontSize": 12, "font": FONT, "color": INK}
    labels = {
        "mark": text,
        "encoding": {"text": {"condition": {"test": f"datum.value / {total} >= 0.03", "field": "share"}, "value": ""}},
    }
    middle = {
        "data": {"values": [{"text": short_number(total, language)}]},
        "mark": {"type": "text", "fontSize": 22, "fontWeight": 600, "font": FONT, "color": INK, "dy": -8},
        "encoding": {"text": {"field": "text"}},
    }
    under = {
        "data": {"values": [{"text": measure_name(spec, language)}]},
        "mark": {"type": "text", "fontSize": 12, "font": FONT, "color": MUTED, "dy": 16},
        "encoding": {"text": {"field": "text"}},
    }
    turn = {
        "theta": {"field": "value", "type": "quantitative", "stack": True},
        "order": {"field": "place"},
        "color": colour,
    }
    ring = {"encoding": turn, "layer": [{"mark": arc}, labels]}
    return {"data": {"values": slices}, "width": 400, "height": 370, "layer": [ring, middle, under]}


def _largest(points: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    """Keep a pie readable: periods all stay in order; of other groups the smallest are summed up as one slice."""
    if len(points) <= _SLICES + 1 or points[0]["day"] is not None:
        return points
    rest = sum(p["value"] for p in points[_SLICES:])
    return [*points[:_SLICES], {"group": word("other", language), "value": rest, "day": None}]


def _text_table(points: list[dict[str, Any]], spec: ChartSpec, language: str) -> Vega:
    shown = points[:_TABLE_ROWS]
    lines = [{"line": i, "left": p["group"], "right": p["exact"]} for i, p in enumerate(shown, start=1)]
    if len(points) > len(shown):
        lines.append({"line": len(lines) + 1, "left": word("more", language).format(len(points) - len(shown)), "right": ""})
    head = {"line": 0, "left": word(spec.group_by, language), "right": measure_name(spec, language)}
    y = {"field": "line", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0, "paddingOuter": 0}}
    width = 460

    def cells(field: str, x: int, align: str, where: str, **look: Any) -> Vega:
        mark = {"type": "text", "font": FONT, "fontSize": 13.5, "color": INK, "align": align, "baseline": "middle", **look}
        shift = {"y": {**y, "bandPosition": 0.5}, "x": {"value": x}, "text": {"field": field}}
        return {"transform": [{"filter": where}], "mark": mark, "encoding": shift}

    band = {"type": "rect", "color": "#f4f7f9", "x": 0, "x2": width}
    rule = {"type": "rule", "color": "#b9c4cd", "strokeWidth": 1, "x": 0, "x2": width}
    bold = {"fontWeight": 600, "color": MUTED, "fontSize": 12.5}
    layers = [
        {"transform": [{"filter": "datum.line > 0 && datum.line % 2 == 0"}], "mark": band, "encoding": {"y": y}},
        {"transform": [{"filter": "datum.line == 0"}], "mark": rule, "encoding": {"y": {**y, "bandPosition": 1}}},
        cells("left", 14, "left", "datum.line == 0", **bold),
        cells("right", width - 14, "right", "datum.line == 0", **bold),
        cells("left", 14, "left", "datum.line > 0"),
        cells("right", width - 14, "right", "datum.line > 0"),
    ]
    return {"data": {"values": [head, *lines]}, "width": width, "height": {"step": _TABLE_STEP}, "layer": layers}


def _message(text: str) -> Vega:
    mark = {"type": "text", "font": FONT, "fontSize": 16, "color": MUTED}
    return {
        "data": {"values": [{"text": text}]},
        "width": _WIDTH,
        "height": 200,
        "view": {"fill": "#f7f9fa", "stroke": FAINT},
        "mark": mark,
        "encoding": {"text": {"field": "text"}},
    }


def _sized(points: list[dict[str, Any]]) -> Vega:
    return {"data": {"values": points}, "width": _WIDTH, "height": _HEIGHT}


def _value_axis(spec: ChartSpec, language: str, *, zero: bool = True) -> Vega:
    if language == "zh":
        label = (
            "abs(datum.value) >= 1e8 ? format(datum.value / 1e8, ',~r') + '亿' : "
            "abs(datum.value) >= 1e4 ? format(datum.value / 1e4, ',~r') + '万' : format(datum.value, ',')"
        )
    else:
        label = "datum.value == 0 ? '0' : replace(replace(format(datum.value, '~s'), 'k', 'K'), 'G', 'B')"
    axis = {"labelExpr": label, "tickCount": 6, "domain": False, "ticks": False, "title": measure_name(spec, language)}
    return {"field": "value", "type": "quantitative", "scale": {"zero": zero, "nice": True}, "axis": axis}


_DRAWERS: dict[str, Callable[[list[dict[str, Any]], ChartSpec, str], Vega]] = {
    "line": _lines,
    "area": _areas,
    "bar": _bars,
    "pie": _pie,
    "table": _text_table,
}
