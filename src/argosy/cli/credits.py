"""``argosy credits``: money that was paid ahead or given, and what is left of it."""

import secrets
import time
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, get, post, show, utc
from argosy.core import format_money

app = typer.Typer(help="Prepaid balance and credit grants: list, grant, top-up, balance.", no_args_is_help=True)

AmountArgument = Annotated[str, typer.Argument(help='Such as "25 USD".')]
ScopeOption = Annotated[
    str, typer.Option(help="What it pays for: organization, project:<id>, key:<id> or model:<name>.")
]
NoteOption = Annotated[str, typer.Option(help="What it is for, up to 200 letters.")]
KeyOption = Annotated[
    str | None, typer.Option(help="Idempotency key: giving the same one again makes nothing new. By default a new one.")
]
_COLUMNS = ["id", "kind", "scope", "amount", "remaining", "expired", "expires_at", "note"]
_DAY_S = 86_400


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100, as_json: JsonOption = False
) -> None:
    """List credits, newest first."""
    _show(get("/credits", limit=limit)["data"], as_json=as_json)


@app.command()
def grant(
    amount: AmountArgument,
    scope: ScopeOption,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="It expires after so many days.")] = None,
    note: NoteOption = "",
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a credit, such as a free trial. It is spent before money that was paid."""
    expires_at = None if days is None else int(time.time()) + days * _DAY_S
    _add({"kind": "grant", "amount": amount, "scope": scope, "expires_at": expires_at, "note": note}, key, as_json)


@app.command("top-up")
def top_up(
    amount: AmountArgument,
    scope: ScopeOption = "organization",
    note: NoteOption = "",
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book money that was paid ahead. Once there is any for the whole organization, nothing of it is served unpaid;
    what is for one project, key or model pays where it can, and refuses nothing.
    """
    _add({"kind": "top_up", "amount": amount, "scope": scope, "note": note}, key, as_json)


@app.command()
def balance(as_json: JsonOption = False) -> None:
    """What is left in each scope; held is what requests under way may still need."""
    rows = get("/credits/balance")["data"]
    columns = ["scope", "remaining", "granted", "paid", "held", "available", "spent"]
    if not as_json:
        rows = [row | {name: format_money(row[name], row["currency"]) for name in columns[1:]} for row in rows]
    show(rows, columns, as_json=as_json, tall=True)


def _add(body: dict[str, Any], key: str | None, as_json: bool) -> None:
    wanted = body | {"idempotency_key": key or secrets.token_hex(16)}  # the client may try again by itself
    _show([post("/credits", {name: value for name, value in wanted.items() if value is not None})], as_json=as_json)


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if not as_json:
        rows = [_readable(row) for row in rows]
    show(rows, _COLUMNS, as_json=as_json, tall=True)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: format_money(row[name], row["currency"]) for name in ("amount", "remaining", "expired")}
    return row | amounts | {"expires_at": utc(row["expires_at"]) or "never", "note": row["note"] or None}
