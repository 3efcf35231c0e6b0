"""``argosy usage``: what was used, and what it costs."""

import calendar
import json
import re
import time
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, get, show
from argosy.core import Invalid, format_money

_BY = {"model": "model", "project": "project_id", "key": "api_key_id", "day": "day"}
_SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}
_DAYS_MAX = 366


def usage(
    by: Annotated[str, typer.Option(help="model, project, key, day, or tag:NAME for what callers say of requests.")] = (
        "model"
    ),
    since: Annotated[str, typer.Option(help="How far back: 24h, 7d, 4w, or a day such as 2026-11-01.")] = "30d",
    forecast: Annotated[bool, typer.Option(help="What the month will cost, and what is unusual today.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What was used, what it cost, and what that is for a thousand answers and for 60,000 characters."""
    tag = by.removeprefix("tag:") if by.startswith("tag:") else None
    if not tag and by not in _BY:
        raise Invalid(f"Cannot group by '{by}'. Choose from {', '.join(_BY)}, tag:NAME.", code="invalid_group_by")
    group = f"metadata.{tag}" if tag else _BY[by]
    found = get("/organization/insight", start_time=_start(since), group_by=group)
    if as_json:
        print(json.dumps(found if forecast else [_plain(row) for row in found["groups"]], ensure_ascii=False, indent=2))
        return
    rows = [_row(row, by, row["group"].get(group)) for row in found["groups"]]
    if len(rows) > 1:
        rows.append(_row(found["total"], by, "in all"))
    show(rows, [by, "requests", "input", "output", "cost", "/1000", "/60k"], as_json=False)
    _explain(found)
    if forecast:
        _tell(found)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row["group"], **{name: value for name, value in row.items() if name != "group"}}


def _row(row: dict[str, Any], by: str, name: str | None) -> dict[str, Any]:
    return {
        by: name,
        "requests": f"{row['requests']:,}",
        "input": f"{row['input_tokens']:,}",
        "output": f"{row['output_tokens']:,}",
        "cost": _number(row["cost"]),
        "/1000": _number(row["cost_per_thousand_answers"]),
        "/60k": _number(row["cost_per_60k_characters"]),
    }


def _explain(found: dict[str, Any]) -> None:
    total = found["total"]
    if found["currency"]:
        per_token = f"{found['characters_per_token_percent'] / 100:g} to a token"
        print(f"{found['currency'].upper()}; /1000: a thousand whole answers; /60k: 60,000 characters, {per_token}.")
    if total["saved_tokens"] or total["saved"]["micro"]:
        print(f"Kept answers saved {total['saved_tokens']} tokens and {_money(total['saved'])}.")


def _tell(found: dict[str, Any]) -> None:
    told = found["forecast"]
    print(f"{told['month']}: {_money(told['spent'])} so far.")
    if told["expected"]:
        low, high = _money(told["low"]), _money(told["high"])
        print(f"Expected by its end: {_money(told['expected'])}, between {low} and {high}.")
    print(told["note"])
    for one in found["anomalies"]:
        print(f"! {one['note']}")


def _money(amount: dict[str, Any]) -> str:
    return format_money(amount["micro"], amount["currency"].upper())


def _number(amount: dict[str, Any] | None) -> str | None:
    return None if amount is None else _money(amount).partition(" ")[0]


def _start(since: str) -> int:
    """Unix seconds. Raises Invalid."""
    now = int(time.time())
    if match := re.fullmatch(r"(\d{1,5})([hdw])", since.strip().lower()):
        return now - min(int(match[1]) * _SECONDS[match[2]], _DAYS_MAX * 86_400 - 1)
    try:
        return calendar.timegm(time.strptime(since, "%Y-%m-%d"))
    except ValueError:
        pass
    raise Invalid(f"'{since}' is no time. Write 24h, 7d, 4w or 2026-11-01.", code="invalid_duration")
