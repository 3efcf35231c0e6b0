"""``argosy prices``: what a model's use costs, what providers ask for it, and what is left."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, get, post, show
from argosy.core import Invalid, format_money

app = typer.Typer(
    help="Prices: list, history, set, import from a file, derive from measured speed, margin.", no_args_is_help=True
)

CostOption = Annotated[bool, typer.Option("--cost", help="What providers ask, instead of what we do.")]
# For a million tokens; below a price, its tiers, by the tokens of prompt above which they hold.
_COLUMNS = ["model", "version", "state", "from (UTC)", "input", "cached", "output", "training", "in", "batch"]
_FORMATS = {".toml": "toml", ".csv": "csv", ".json": "json"}


@app.command("list")
def list_(cost: CostOption = False, as_json: JsonOption = False) -> None:
    """List the prices that are in force, for a million tokens."""
    _show(get("/prices", kind="cost" if cost else "sale")["data"], as_json=as_json)


@app.command()
def history(
    model: Annotated[str | None, typer.Argument(help="Only of this model.")] = None,
    cost: CostOption = False,
    as_json: JsonOption = False,
) -> None:
    """List all versions there ever were, and those to come."""
    _show(get("/prices", kind="cost" if cost else "sale", history=True, model=model)["data"], as_json=as_json)


@app.command("set")
def set_(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    input_: Annotated[int, typer.Option("--input", help="Micro-units per million tokens: 0.15 USD is 150000.")],
    output: Annotated[int, typer.Option(help="The same of tokens of answers.")],
    currency: Annotated[str, typer.Option(help="That of the books, such as USD.")],
    cached_input: Annotated[int | None, typer.Option(help="Of tokens of prompts still at hand; else as input.")] = None,
    training: Annotated[int, typer.Option(help="Of tokens of training rows, times epochs.")] = 0,
    tier: Annotated[
        list[str] | None, typer.Option(help="ABOVE:INPUT:CACHED:OUTPUT for longer prompts; may be repeated.")
    ] = None,
    batch_discount: Annotated[int | None, typer.Option(help="Percent off in batches.")] = None,
    effective_from: Annotated[
        str | None, typer.Option("--from", help="2027-01-01T00:00:00Z; left out, at once.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="It is a cost: what this provider asks.")] = None,
    measured: Annotated[
        list[str] | None,
        typer.Option(help="METER:RATE, per million of what is counted besides tokens, such as images:4000000000."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set a price. It becomes a new version; requests that are under way keep the one that they began with."""
    body = {
        "model": model,
        "currency": currency,
        "input": input_,
        "cached_input": cached_input,
        "output": output,
        "training": training,
        "tiers": [_tier(text) for text in tier or []],
        "batch_discount": batch_discount,
        "effective_from": effective_from,
        "kind": "cost" if provider else "sale",
        "provider": provider,
        "measured": dict(_meter(text) for text in measured) if measured else None,
    }
    made = post("/prices", {name: value for name, value in body.items() if value is not None})
    _show([made], as_json=as_json)
    _warn(made["warnings"], as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .toml, .csv or .json file; see 'argosy prices import --help'.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    currency: Annotated[
        str | None, typer.Option(help="That of the books, on a platform that has no prices yet.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Carry out a file of prices: all of it or nothing. Once more, it changes nothing.

    Each price has: model, currency, input, output (micro-units per million tokens), and maybe cached_input, training,
    tiers, batch_discount, effective_from; kind = "cost" with a provider for what that asks.
    """
    form = _FORMATS.get(file.suffix.lower())
    if form is None:
        raise Invalid("A price file's name ends in .toml, .csv or .json.", code="unknown_format")
    try:
        content = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", code="unreadable_file") from error
    body = {"format": form, "content": content, "dry_run": dry_run} | ({"currency": currency} if currency else {})
    done = post("/prices/import", body)
    if as_json:
        print(json.dumps(done, ensure_ascii=False, indent=2))
        return
    rows = [
        {
            "line": step["line"],
            "": {"new": "+", "changed": "~", "unchanged": "="}[step["action"]],
            "model": _name(step),
            "from (UTC)": _day(step["effective_from"]) if step["effective_from"] is not None else "now",
            **{name: _arrow(step, name) for name in ("input", "cached_input", "output")},
        }
        for step in done["data"]
    ]
    show(rows, ["line", "", "model", "from (UTC)", "input", "cached_input", "output"], as_json=False)
    changes = sum(step["action"] != "unchanged" for step in done["data"])
    left_out = f" {done['left_out']} in other currencies left out." if done["left_out"] else ""
    print(f"{changes} {'would change' if dry_run else 'changed'}, {len(rows) - changes} as they are.{left_out}")
    _warn(done["warnings"], as_json=False)


@app.command()
def margin(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far back.")] = 30, as_json: JsonOption = False
) -> None:
    """Revenue, what providers are owed for it, and what is left, by model."""
    end = int(time.time()) + 1
    rows = get("/prices/margin", start_time=end - days * 86_400, end_time=end)["data"]
    if not as_json:
        money = ("revenue", "cost", "margin")
        rows = [row | {name: format_money(row[name], row["currency"]) for name in money} for row in rows]
        rows = [row | {"%": row["margin_percent"]} for row in rows]
    show(rows, ["model", "provider", "events", "revenue", "cost", "margin", "%"], as_json=as_json)


@app.command()
def derive(
    model: Annotated[str, typer.Argument(help="A model that was deployed here.")],
    margin: Annotated[str, typer.Option(help="Percent of the revenue that are to be left.")] = "30%",
    apply: Annotated[bool, typer.Option("--apply", help="Make it the model's price, from now on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose a price from the model's measured speed and what this machine costs an hour, and show how."""
    percent = margin.removesuffix("%").strip()
    if not (percent.isascii() and percent.isdigit()):
        raise Invalid("Write the margin as a whole number of percent, such as 30%.", code="invalid_margin")
    found = get("/prices/derive", model=model, margin=int(percent))
    if not as_json:
        for line in found["arithmetic"]:
            print(line)
    if not apply:
        if as_json:
            show([found], [], as_json=True)
        else:
            print("This is a proposal. Add --apply to make it the price.")
        return
    wanted = {name: found[name] for name in ("model", "currency", "input", "output")}
    for present in get("/prices", model=model)["data"]:  # what speed says nothing about stays
        wanted |= {name: present[name] for name in ("training", "batch_discount") if present[name] is not None}
    _show([post("/prices", wanted)], as_json=as_json)


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show(rows, [], as_json=True)
        return
    lines: list[dict[str, Any]] = []
    for row in rows:
        named = {
            "model": _name(row),
            "version": row["version"],
            "state": row["state"],
            "from (UTC)": _day(row["effective_from"]),
            "batch": None if row["batch_discount"] is None else f"-{row['batch_discount']}%",
        }
        lines.append(named | _rates(row) | {"training": _decimal(row["training"]), "in": row["currency"]})
        for tier in row["tiers"]:
            above = f"> {tier['above_prompt_tokens']:,}"
            lines.append(dict.fromkeys(_COLUMNS, "") | {"model": above, "in": row["currency"]} | _rates(tier))
        for meter, rate in row["measured"].items():
            priced = {"model": f"+ {meter}", "input": _decimal(rate), "in": row["currency"]}
            lines.append(dict.fromkeys(_COLUMNS, "") | priced)
    usual = {"state": ("in_force", ""), "training": ("0.00", "")}  # said only where a row is otherwise
    left_out = {name for name, values in usual.items() if all(line[name] in values for line in lines)}
    show(lines, [name for name in _COLUMNS if name not in left_out], as_json=False)


def _rates(row: dict[str, Any]) -> dict[str, str]:
    names = {"input": "input", "cached_input": "cached", "output": "output"}
    return {column: _decimal(row[name]) for name, column in names.items()}


def _decimal(micro: int) -> str:
    """Of the currency, for a million tokens: at least two decimals, and all that there are."""
    units, fraction = divmod(micro, 1_000_000)
    return f"{units}.{f'{fraction:06d}'.rstrip('0'):0<2}"


def _name(row: dict[str, Any]) -> str:
    return f"{row['provider']} / {row['model']}" if row["provider"] else str(row["model"])


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def _arrow(step: dict[str, Any], name: str) -> str:
    new = str(step["new"][name])
    return new if step["old"] is None or step["old"][name] == step["new"][name] else f"{step['old'][name]} -> {new}"


def _tier(text: str) -> dict[str, int]:
    parts = text.split(":")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise Invalid("Write a tier as ABOVE:INPUT:CACHED:OUTPUT, such as 200000:300000:150000:900000.", code="tier")
    names = ("above_prompt_tokens", "input", "cached_input", "output")
    return dict(zip(names, map(int, parts), strict=True))


def _meter(text: str) -> tuple[str, int]:
    name, _, rate = text.partition(":")
    if not (name and rate.isascii() and rate.isdigit()):
        raise Invalid("Write what is counted besides tokens as METER:RATE, such as images:4000000000.", code="meter")
    return name, int(rate)


def _warn(warnings: list[str], *, as_json: bool) -> None:
    for warning in [] if as_json else warnings:
        print(f"Note: {warning}.")
