"""Chart spec and rows → a Vega-Lite specification that holds its own data and every label as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from argosy.assistants.charts.axes import WIDTH, Point, Vega
from argosy.assistants.charts.bars import bars
from argosy.assistants.charts.grid import grid
from argosy.assistants.charts.lines import areas, lines
from argosy.assistants.charts.pie import pie
from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.style import CONFIG, FAINT, FONT, MUTED
from argosy.assistants.charts.table import Cell
from argosy.assistants.charts.words import full_number, group_name, short_number, subtitle_of, title_of, word

Row = tuple[Cell, ...]

_GROUPS_MAX = 60  # more names than this cannot be read on one picture
_TITLE_COLUMNS = 58  # a Chinese character takes two
_DRAWERS: dict[str, Callable[[list[Point], ChartSpec, str], Vega]] = {
    "line": lines,
    "area": areas,
    "bar": bars,
    "pie": pie,
    "table": grid,
}


def vega_lite(spec: ChartSpec, rows: list[Row], language: str, title: str | None = None) -> Vega:
    """Return the chart as a Vega-Lite dict. Rows are (group, value) as `compile_sql` orders them.

    No rows give a chart that says so; a pie of negative values gives bars that say why; of more than 60 names the
    first are drawn, and the chart says how many are not.
    """
    points = [_point(row, spec, language) for row in rows if row[1] is not None]
    subtitle = [subtitle_of(spec, language)]
    if spec.chart in ("bar", "line", "area") and len(points) > _GROUPS_MAX and points[0]["day"] is None:
        subtitle.append(word("more", language).format(len(points) - _GROUPS_MAX))
        points = points[:_GROUPS_MAX]
    if not points:
        body = _message(word("no_rows", language))
    elif spec.chart == "pie" and any(p["value"] < 0 for p in points):
        subtitle.append(word("as_bars", language))
        body = bars(points, spec, language)
    else:
        body = _DRAWERS[spec.chart](points, spec, language)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": _wrapped(title or title_of(spec, language)), "subtitle": subtitle},
        "config": CONFIG,
        **body,
    }


def _point(row: Row, spec: ChartSpec, language: str) -> Point:
    group, value = row
    number = value if isinstance(value, (int, float, Decimal)) else 0
    return {
        "group": group_name(group, spec, language),
        "day": group.isoformat() if isinstance(group, date) else None,
        "value": float(number),
        "label": short_number(number, language),
        "exact": full_number(number),
    }


def _wrapped(title: str) -> list[str]:
    """Break a title into lines that fit, between words, or anywhere in Chinese; three lines at most."""
    found, line, width = [], "", 0
    for piece in _pieces(title):
        size = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in piece)
        if line and width + size > _TITLE_COLUMNS:
            found.append(line.strip())
            line, width = "", 0
        line, width = line + piece, width + size
    found.append(line.strip())
    return found if len(found) <= 3 else [*found[:2], found[2] + "…"]


def _pieces(title: str) -> list[str]:
    pieces: list[str] = []
    for character in " ".join(title.split()):
        wide = unicodedata.east_asian_width(character) in "WF"
        long = bool(pieces) and len(pieces[-1]) >= _TITLE_COLUMNS // 2
        if not pieces or wide or long or pieces[-1].endswith(" "):
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces


def _message(text: str) -> Vega:
    return {
        "data": {"values": [{"text": text}]},
        "width": WIDTH,
        "height": 200,
        "view": {"fill": "#f7f9fa", "stroke": FAINT},
        "mark": {"type": "text", "font": FONT, "fontSize": 16, "color": MUTED},
        "encoding": {"text": {"field": "text"}},
    }
