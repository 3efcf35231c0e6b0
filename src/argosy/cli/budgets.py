"""``argosy budgets``: what the organization, a project or a key may spend, in a month or in all."""

import json
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, put, show, utc
from argosy.core import format_money

app = typer.Typer(help="What may be spent: list, set, remove.", no_args_is_help=True)

_AMOUNTS = ["amount", "spent", "held", "remaining"]
_COLUMNS = ["id", "scope", "subject", "period", "kind", *_AMOUNTS, "told_at", "begins_anew"]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List budgets, with what is spent, held for requests under way, and left."""
    _show(get("/budgets")["data"], as_json=as_json)


@app.command("set")
def set_(
    amount: Annotated[str, typer.Argument(help="Such as '25 USD'.")],
    organization: Annotated[bool, typer.Option("--organization", help="Of all projects together.")] = False,
    project: Annotated[str | None, typer.Option(help="Id or name of another project than the key's own.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this key, by its id.")] = None,
    once: Annotated[bool, typer.Option("--once", help="For all times, rather than for each month anew.")] = False,
    soft: Annotated[bool, typer.Option("--soft", help="Only tell at its end, refuse nothing.")] = False,
    at: Annotated[list[int] | None, typer.Option(help="Tell at this percent; may be given again.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Set a budget, or change it. It holds at once, in every process, with no restart."""
    body: dict[str, Any] = {"amount": amount, "period": "none" if once else "month", "hard": not soft}
    given = {"project": project, "key": key, "thresholds": at, "scope": "organization" if organization else None}
    _show([put("/budgets", body | {name: value for name, value in given.items() if value})], as_json=as_json)


@app.command()
def remove(
    budget: Annotated[str, typer.Argument(help="An id that 'argosy budgets list' shows.")], as_json: JsonOption = False
) -> None:
    """Take a budget away."""
    removed = connect().delete(f"/budgets/{budget}", cast_to=object)
    print(json.dumps(removed, indent=2) if as_json else f"{budget} is gone.")


def _show(budgets: list[dict[str, Any]], *, as_json: bool) -> None:
    rows = [
        {
            **budget,
            "period": "month" if budget["period"] == "month" else "once",
            "kind": "hard" if budget["hard"] else "soft",
            "told_at": ", ".join(f"{percent}%" for percent in budget["thresholds"]),
            "begins_anew": utc(budget["begins_anew_at"]) or "never",
            **{name: format_money(budget[name], budget["currency"]) for name in _AMOUNTS},
        }
        for budget in budgets
    ]
    show(budgets if as_json else rows, _COLUMNS, as_json=as_json, tall=True)
