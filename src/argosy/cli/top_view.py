"""How ``argosy top`` looks: a line of figures, then models, targets and errors, in as much room as there is."""

from collections.abc import Iterator, Mapping, Sequence
from time import time
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_CIRCUITS = {
    "closed": ("ready", "green"),
    "trying": ("trying", "yellow"),
    "open": ("left alone", "bold red"),
    "absent": ("no replica", "yellow"),
}
_OTHER_LINES = 15
"""Lines of the screen that are not a row of models or targets."""
_ROWS_MIN = 4
_FIGURES_WIDTH = 49
"""Characters of a line of models that are not its name."""
_NAME_MIN = 20
_HEAD = 3
"""Characters that stay of a long name's beginning: ``ft:``."""
_ERRORS_MAX = 4
"""Codes that are shown."""


def view(summary: Mapping[str, Any], url: str, width: int, height: int, trouble: str = "") -> RenderableType:
    """The whole screen. ``width`` in characters and ``height`` in lines; ``trouble``: why the figures are old."""
    rows = max(2 * _ROWS_MIN, height - _OTHER_LINES)
    models, targets = _shared(rows, len(summary["models"]), len(summary["targets"]))
    parts: list[RenderableType] = [_head(summary, url, trouble), _figures(summary), *_backlog(summary)]
    parts += _models(summary["models"], models, width - _FIGURES_WIDTH)
    parts += _targets(summary["targets"], targets)
    parts += _errors(summary["errors"])
    return Group(*parts)


def nothing_yet(url: str, trouble: str) -> RenderableType:
    """The screen before the first answer."""
    return Text(trouble or f"Asking {url} ...", style="bold red" if trouble else "dim")


def _shared(rows: int, models: int, targets: int) -> tuple[int, int]:
    """Rows for each, half and half unless one needs less."""
    half = rows // 2
    if models <= half:
        return models, rows - models
    if targets <= rows - half:
        return rows - targets, targets
    return half, rows - half


def _head(summary: Mapping[str, Any], url: str, trouble: str) -> Text:
    up = _duration(max(0, time() - summary["started_at"]))
    text = Text.assemble(("Argosy", "bold"), f" {url} · process {summary['process']} · up {up}")
    text.append(f" · last {summary['window_s']:.0f} s" if summary["window_s"] else " · first look", "dim")
    if trouble:
        text.append(f"\n{trouble}", "bold red")
    return text


def _figures(summary: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(*(Text(name, "dim") for name in _FIGURES))
    errors = sum(summary["errors"].values())
    table.add_row(
        Text(_number(summary["requests_per_s"]), "bold"),
        Text(f"{summary['in_flight']:,}", "bold"),
        Text(_milliseconds(summary["first_byte_p50_ms"]), "bold"),
        Text(_milliseconds(summary["first_byte_p99_ms"]), "bold"),
        Text(_number(summary["completion_tokens_per_s"]), "bold"),
        Text(_number(summary["prompt_tokens_per_s"]), "bold"),
        Text(str(errors), "bold red" if errors else "bold"),
    )
    return table


_FIGURES = ("requests/s", "in flight", "first byte p50", "p99", "tokens/s", "prompt/s", "errors")


def _backlog(summary: Mapping[str, Any]) -> Iterator[Text]:
    """What is out of the ordinary."""
    extra, resumed, unshipped = summary["extra_attempts"], summary["resumed"], summary["journal"]["unshipped"]
    said = []
    if extra.get("spent"):
        said.append(f"{extra['spent']} extra attempt{'s' * (extra['spent'] > 1)}")
    if extra.get("refused"):
        said.append(f"{extra['refused']} more that the budget refused")
    if resumed:
        said.append(f"{resumed} answer{'s' * (resumed > 1)} carried on")
    if unshipped > 1000:
        said.append(f"{unshipped} usage rows that wait for the database")
    if said:
        yield Text("; ".join(said), "yellow")


def _models(models: Sequence[Mapping[str, Any]], rows: int, name_width: int) -> Iterator[RenderableType]:
    yield Text()
    table = _table("model", "requests/s", "tokens/s", "p50", "p99", "errors")
    for one in models[:rows]:
        errors = sum(one["errors"].values())
        table.add_row(
            _shortened(one["model"], max(_NAME_MIN, name_width)),
            _number(one["requests_per_s"]),
            _number(one["completion_tokens_per_s"]),
            _milliseconds(one["first_byte_p50_ms"]),
            _milliseconds(one["first_byte_p99_ms"]),
            Text(str(errors), "red" if errors else ""),
        )
    yield table if models else Text("No model was asked yet.", "dim")
    yield from _rest(len(models) - rows)


def _targets(targets: Sequence[Mapping[str, Any]], rows: int) -> Iterator[RenderableType]:
    yield Text()
    worst_first = sorted(targets, key=lambda one: (one["circuit"] == "closed", -one["in_flight"], one["model"]))
    table = _table("deployment", "target", "state", "in flight", "latency")
    table.columns[1].justify = table.columns[2].justify = "left"
    table.columns[1].overflow = "fold"
    for one in worst_first[:rows]:
        word, style = _CIRCUITS[one["circuit"]]
        wait = f" {one['retry_in_s']:.0f} s" if one["retry_in_s"] else ""
        table.add_row(
            one["model"],
            one["endpoint"] or "-",
            Text(word + wait, style),
            str(one["in_flight"]),
            _milliseconds(one["latency_ms"] or None),
        )
    yield table if targets else Text("Nothing is deployed: 'argosy deploy MODEL'.", "dim")
    yield from _rest(len(targets) - rows)


def _errors(errors: Mapping[str, int]) -> Iterator[RenderableType]:
    if errors:
        yield Text()
        yield Text.assemble(
            ("errors  ", "bold"),
            ("   ".join(f"{code} {count}" for code, count in list(errors.items())[:_ERRORS_MAX]), "red"),
        )


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold", min_width=16)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _rest(count: int) -> Iterator[Text]:
    if count > 0:
        yield Text(f"... and {count} more", "dim")


def _shortened(name: str, width: int) -> str:
    """A long name without its middle: its end tells tuned models apart."""
    if len(name) <= width:
        return name
    return f"{name[:_HEAD]}…{name[_HEAD + 1 - width :]}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value and value < 10:
        return f"{value:.1f}"
    return f"{value:,.0f}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.0f} s"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
