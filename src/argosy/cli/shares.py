"""``argosy shares``: what owners of models get of what is charged for them."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.core import Invalid, format_money, new_id, parse_money

app = typer.Typer(help="Revenue share with owners of models: set, list, statement, payout.", no_args_is_help=True)

OwnerArgument = Annotated[str, typer.Argument(help="An id that 'argosy shares owners' shows.")]
_COLUMNS = [
    "model",
    "version",
    "owner",
    "percent",
    "per_million_tokens",
    "minimum",
    "from",
    "until",
    "share_this_month",
]


@app.command("set")
def set_(
    owner: Annotated[str, typer.Option(help="The owner's id, such as some-lab.")],
    name: Annotated[str, typer.Option(help="The owner's name as it stands on statements.")],
    model: Annotated[str | None, typer.Argument(help="A model's own name, not an alias.")] = None,
    licence: Annotated[str | None, typer.Option(help="Instead of a model: all that are under it now.")] = None,
    currency: Annotated[str, typer.Option(help="Of amounts and tiers.")] = "USD",
    percent: Annotated[str, typer.Option(help="Of what is charged; up to two decimals.")] = "0",
    per_million_tokens: Annotated[int, typer.Option(help="Micro-units for a million tokens.")] = 0,
    minimum: Annotated[int, typer.Option(help="Micro-units for each request.")] = 0,
    tier: Annotated[
        list[str] | None,
        typer.Option(help="ABOVE=PERCENT: of a month's revenue above so many micro-units. Repeatable."),
    ] = None,
    begin: Annotated[int | None, typer.Option(help="Unix seconds; by default now.")] = None,
    until: Annotated[int | None, typer.Option(help="Unix seconds.")] = None,
    note: Annotated[str, typer.Option(help="Such as the contract's number.")] = "",
    supersede: Annotated[bool, typer.Option("--supersede", help="Take the place of overlapping versions.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Agree on a model's share. It is fixed for each request when that is posted; the past is never settled anew."""
    body = {
        "model": model,
        "licence": licence,
        "owner": owner,
        "owner_name": name,
        "currency": currency,
        "basis_points": _basis_points(percent),
        "per_million_tokens": per_million_tokens,
        "minimum": minimum,
        "tiers": [_tier(text) for text in tier or []],
        "effective_from": begin,
        "effective_until": until,
        "note": note,
        "supersede": supersede,
    }
    made = put("/shares", {member: value for member, value in body.items() if value is not None})
    rules = made["data"] if made["object"] == "list" else [made]
    show(rules if as_json else [_row(rule) for rule in rules], _COLUMNS[:-1], as_json=as_json)


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    history: Annotated[bool, typer.Option("--history", help="All versions.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what is agreed."""
    rows = get("/shares", model=model, history=history or None)["data"]
    show(rows if as_json else [_row(row) for row in rows], _COLUMNS, as_json=as_json)


@app.command()
def owners(as_json: JsonOption = False) -> None:
    """List owners, and what each is owed."""
    rows = get("/shares/owners")["data"]
    if not as_json:
        rows = [row | {"owed": ", ".join(format_money(n, c) for c, n in row["payable"].items())} for row in rows]
    show(rows, ["id", "name", "owed"], as_json=as_json)


@app.command()
def statement(
    owner: OwnerArgument,
    month: Annotated[str | None, typer.Option(help="Such as 2026-11; by default the present one.")] = None,
    currency: Annotated[str | None, typer.Option(help="If the owner has several.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or html.")] = "table",
    lang: Annotated[str, typer.Option(help="Of the page: en or zh.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Show what an owner earned and was paid in a month; or write it as CSV or a page to standard output."""
    path, asked = f"/shares/owners/{owner}/statement", {"month": month, "currency": currency}
    if form in ("csv", "html"):
        query = {name: value for name, value in {**asked, "format": form, "lang": lang}.items() if value is not None}
        print(connect().get(path, cast_to=str, options={"params": query}), end="")
        return
    if form != "table":
        raise Invalid("The format is table, csv or html.", code="invalid_format")
    found = get(path, **asked)
    if as_json:
        show([found], [], as_json=True)
        return
    show(found["lines"], ["model", "rule", "version", "events", "tokens", "revenue", "share"], as_json=False)
    back = sum(line["share"] for line in found["corrections"])
    paid = sum(line["amount"] for line in found["payouts"])
    amounts = {"owed before": found["opening"], "share": found["share"], "given back": back, "payouts": paid}
    for label, amount in {**amounts, "owed now": found["closing"]}.items():
        print(f"{label:12} {format_money(amount, found['currency'])}")


@app.command()
def payout(
    owner: OwnerArgument,
    amount: Annotated[str, typer.Argument(help="Such as '12.50 USD'.")],
    note: Annotated[str, typer.Option(help="Such as the transfer's number.")] = "",
    key: Annotated[str | None, typer.Option(help="Asking twice with the same one pays once.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Book that an owner was paid."""
    try:
        micro, currency = parse_money(amount)
    except ValueError as error:
        raise Invalid(str(error), code="invalid_amount") from error
    body = {"owner": owner, "amount": micro, "currency": currency, "note": note}
    made = post("/shares/payouts", body | {"idempotency_key": key or new_id("once_")})
    show([made], ["id", "owner", "amount", "currency", "note"], as_json=as_json)


def _row(rule: dict[str, Any]) -> dict[str, Any]:
    tiers = [f"{tier['basis_points'] / 100:g} above {tier['above']}" for tier in rule["tiers"]]
    return rule | {
        "percent": ", ".join([f"{rule['basis_points'] / 100:g}", *tiers]),
        "from": rule["effective_from"],
        "until": rule["effective_until"],
        "share_this_month": rule.get("month_so_far", {}).get("share"),
    }


def _basis_points(percent: str) -> int:
    try:
        hundredths = Decimal(percent) * 100
    except InvalidOperation:
        hundredths = Decimal("NaN")
    if not hundredths.is_finite() or hundredths != int(hundredths):
        raise Invalid(f"'{percent}' is no percentage with two decimals at most.", code="invalid_percent")
    return int(hundredths)


def _tier(text: str) -> dict[str, int]:
    above, equals, percent = text.partition("=")
    if not equals or not above.isascii() or not above.isdigit():
        raise Invalid(f"'{text}' is no tier; write it like 1000000000=25.", code="invalid_tier")
    return {"above": int(above), "basis_points": _basis_points(percent)}
