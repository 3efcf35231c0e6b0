"""Vega-Lite → PNG and SVG, in process, with a font that has Chinese. Nothing is ever fetched."""

from __future__ import annotations

import functools
from typing import Any

import noto_cjk_sans_otc
import vl_convert

_VERSION = "6.4"
_NOWHERE: list[str] = []  # base URLs from which a chart may load data: none
_SCALE = 2.0


@functools.cache
def _fonts() -> None:
    vl_convert.register_font_directory(str(noto_cjk_sans_otc.FONT_PATH.parent))


def to_png(vega: dict[str, Any]) -> bytes:
    """Return the chart as a PNG of twice its size in points, sharp on dense screens."""
    _fonts()
    png: bytes = vl_convert.vegalite_to_png(vega, vl_version=_VERSION, scale=_SCALE, allowed_base_urls=_NOWHERE)
    return png


def to_svg(vega: dict[str, Any]) -> str:
    """Return the chart as SVG, its text as text."""
    _fonts()
    svg: str = vl_convert.vegalite_to_svg(vega, vl_version=_VERSION, allowed_base_urls=_NOWHERE)
    return svg
