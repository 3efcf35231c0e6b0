"""``argosy usage`` and ``argosy invoice``: what was used, and what it costs."""

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, get, post, show
from argosy.core import format_money


def usage(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 30, as_json: JsonOption = False
) -> None:
    """Tokens by model and day, and what kept answers saved."""
    start = int(time.time()) - days * 86_400
    rows = [
        {"day": time.strftime("%Y-%m-%d", time.gmtime(bucket["start_time"])), **result}
        for bucket in _days(start)
        for result in bucket["results"]
    ]
    columns = ["day", "model", "num_model_requests", "input_tokens", "output_tokens"]
    if not as_json and any(row["saved"]["micro"] or _saved_tokens(row) for row in rows):
        rows = [row | {"saved_tokens": _saved_tokens(row), "saved": _money(row["saved"])} for row in rows]
        columns += ["saved_tokens", "saved"]
    show(rows, columns, as_json=as_json)


def _saved_tokens(row: dict[str, Any]) -> int:
    return int(row["saved_input_tokens"]) + int(row["saved_output_tokens"])


def _money(amount: dict[str, Any]) -> str:
    return format_money(amount["micro"], amount["currency"].upper())


def _days(start: int) -> Iterator[dict[str, Any]]:
    """All daily buckets since ``start``, page after page."""
    page: str | None = None
    while True:
        found = get(
            "/organization/usage/completions",
            start_time=start,
            bucket_width="1d",
            group_by="model",
            limit=31,
            page=page,
        )
        yield from found["data"]
        page = found.get("next_page")
        if not page:
            return


def invoice(as_json: JsonOption = False) -> None:
    """Close everything not yet invoiced into an invoice and print it."""
    made = post("/invoices", {})
    if as_json:
        print(json.dumps(made, ensure_ascii=False, indent=2))
        return
    show(made["lines"], ["model", "quantity", "units", "unit_price", "discount", "amount"], as_json=False)
    print(f"{made['id']}: total {made['total']} micro-{made['currency']}")
