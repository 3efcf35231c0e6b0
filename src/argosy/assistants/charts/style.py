"""How every chart looks: one font that has Chinese, one palette, quiet axes."""

from __future__ import annotations

from typing import Any

# The first font is drawn into the PNG; the others are for whoever opens the SVG without it.
FONT = "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"

PALETTE = ["#1d6a96", "#e0893b", "#3f9c78", "#c2526b", "#7a6bb0", "#c9a62b", "#56a3c9", "#96705b", "#6b8f3a", "#a3adb8"]
MAIN = PALETTE[0]
LOSS = "#c2526b"
INK, MUTED, FAINT = "#22303c", "#6b7a88", "#e6ebef"

CONFIG: dict[str, Any] = {
    "font": FONT,
    "background": "white",
    "padding": {"left": 24, "right": 28, "top": 22, "bottom": 20},
    "view": {"stroke": None},
    "title": {
        "anchor": "start", "fontSize": 18, "fontWeight": 600, "color": INK, "offset": 18,
        "subtitleFontSize": 12.5, "subtitleColor": MUTED, "subtitlePadding": 6, "frame": "group",
    },
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 400, "labelColor": MUTED, "titleColor": MUTED,
        "domainColor": "#b9c4cd", "gridColor": FAINT, "tickColor": "#b9c4cd", "titlePadding": 10, "labelPadding": 6,
    },
    "legend": {"labelFontSize": 12.5, "labelColor": INK, "symbolType": "circle", "symbolSize": 90, "rowPadding": 6},
}  # fmt: skip
