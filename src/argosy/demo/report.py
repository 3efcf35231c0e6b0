"""The report: one JSON document with every figure, and one self-contained HTML page that shows them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from argosy.core import format_money
from argosy.demo.figures import COLOURS, STEP_COLOURS, loss_curves, timeline, whisker
from argosy.demo.task import FIELDS, LANGUAGE_NAMES
from argosy.samples import HELD_OUT

_HERE = Path(__file__).parent

WAY_NAMES = {
    "base_free_zero_shot": ("Base, free", "原模型，自由作答"),
    "base_free_three_examples": ("Base, free, 3 examples", "原模型，自由作答，三个例子"),
    "base_schema_zero_shot": ("Base, JSON schema", "原模型，限定格式"),
    "base_schema_three_examples": ("Base, JSON schema, 3 examples", "原模型，限定格式，三个例子"),
    "tuned_free": ("Tuned, free", "微调后，自由作答"),
}
THIRD_NAMES = {"values": ("New values", "新的取值"), "paraphrase": ("New phrasing", "新的说法"),
               "composition": ("New combination", "新的组合")}  # fmt: skip


def write_json(document: Mapping[str, Any], out: Path) -> Path:
    """Write report.json; its path."""
    path = out / "report.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def write_html(document: Mapping[str, Any], pictures: Sequence[str], out: Path) -> Path:
    """Write report.html from the same document; ``pictures`` are the charts as data URLs, in its order. Its path."""
    path = out / "report.html"
    path.write_text(render(document, pictures), encoding="utf-8")
    return path


def render(document: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """The page. Everything a model or a user wrote is escaped; nothing is loaded from anywhere."""
    page = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters |= {"percent": percent, "money": money, "duration": duration, "count": "{:,}".format, "chance": chance}
    languages = document["languages"]
    curves = {name: [(p["step"], p["loss"]) for p in part["job"]["curve"]] for name, part in languages.items()}
    return page.get_template("report.html").render(
        report=document,
        drawn=list(zip(document["drawn"], pictures, strict=True)),
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        curves=Markup(loss_curves(curves, LANGUAGE_NAMES)),  # noqa: S704 - escapes the names it is given
        timeline=Markup(timeline([(step["name"], step["seconds"]) for step in document["steps"]])),  # noqa: S704
        whisker=_whisker,
        names=LANGUAGE_NAMES,
        ways=WAY_NAMES,
        thirds=THIRD_NAMES,
        third_order=HELD_OUT,
        fields=FIELDS,
        colours=COLOURS,
        step_colours=STEP_COLOURS,
        when=datetime.fromtimestamp(document["started_at"], UTC),
    )


def percent(share: float) -> str:
    """0.637 -> "64%"."""
    return f"{share * 100:.0f}%"


def money(micro: int, currency: str) -> str:
    """All six digits."""
    return format_money(micro, currency)


def duration(seconds: float) -> str:
    """75.2 -> "1 min 15 s"; under a minute with a tenth."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def chance(p: float) -> str:
    """A p-value as people write it: "p = 0.012", "p < 0.0001"."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def _whisker(score: Mapping[str, float], tuned: bool, language: str) -> Markup:
    colour = COLOURS.get(language, "#555") if tuned else "#9aa5ab"
    return Markup(whisker(score["low"], score["share"], score["high"], colour))  # noqa: S704 - numbers and our colours
