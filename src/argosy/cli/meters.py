"""``argosy meters``: what is counted besides tokens, and what it costs."""

import json
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, get, put, show
from argosy.core import format_money

app = typer.Typer(help="What is counted besides tokens: show, price.", no_args_is_help=True)


@app.command("show")
def show_(as_json: JsonOption = False) -> None:
    """List the meters, and what a million of each one's units costs at which model."""
    found = get("/meters")["data"]
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    rows = [
        {"meter": meter["id"], "model": model, "per million": price and _money(price)}
        for meter in found
        for model, price in (meter["prices"] or {None: None}).items()
    ]
    show(rows, ["meter", "model", "per million"], as_json=False)


def _money(price: dict[str, Any]) -> str:
    return format_money(price["price"], price["currency"].upper())


@app.command("price")
def price(
    meter: Annotated[str, typer.Argument(help="engine_seconds, storage_mib_hours, images or characters.")],
    micro: Annotated[int, typer.Argument(min=0, help="Micro-units of the currency per million units.")],
    model: Annotated[str, typer.Option(help="The model that it holds for.")] = "storage",
    as_json: JsonOption = False,
) -> None:
    """Set what a meter's units cost from now on."""
    made = put(f"/meters/{meter}", {"price": micro, "model": model})
    if as_json:
        print(json.dumps(made, ensure_ascii=False, indent=2))
    else:
        print(f"{meter} of {model}: {made['prices'].get(model, {}).get('price', 0)} micro-units per million")
