"""``argosy reconcile``: do usage, ledger and prices agree? With what engines counted and providers ask for."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, post, show
from argosy.core import Invalid

app = typer.Typer(help="Compare usage, ledger and prices; import a provider's invoice.", invoke_without_command=True)

_COLUMNS = ["hour", "model", "events", "usage_amount", "ledger_amount", "rated_amount", "difference"]
_PROVIDER_COLUMNS = [
    "day", "provider", "invoiced_prompt_tokens", "prompt_tokens", "invoiced_completion_tokens", "completion_tokens",
    "invoiced_amount", "expected_amount", "difference",
]  # fmt: skip


@app.callback()
def reconcile(
    context: typer.Context,
    since: Annotated[int | None, typer.Option(min=0, help="Unix seconds; left out, a day ago.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare now, hour by hour and model by model. Exit status 1 if anything differs. Amounts are micro-units."""
    if context.invoked_subcommand:
        return
    found = post("/reconciliation/run", {} if since is None else {"since": since})
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show([row | {"hour": _time(row["hour"])} for row in found["data"]], _COLUMNS, as_json=False)
        if found["providers"]:
            days = [row | {"day": _time(row["day"])[:10]} for row in found["providers"]]
            show(days, _PROVIDER_COLUMNS, as_json=False)
        for row in [*found["data"], *found["providers"]]:
            _explain(row)
    if found["difference"] or any(row["difference"] for row in found["providers"]):
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8.", exists=True, dir_okay=False, readable=True)],
    provider: Annotated[str, typer.Option(help="The provider's name here.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a field is called in the file, such as date=Day. May be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import a provider's invoice: date, model, input_tokens, output_tokens, amount, currency. Repeating it is harmless."""  # noqa: E501
    from argosy.billing.reconciliation import BYTES_MAX

    pairs = [text.partition("=") for text in column or []]
    if any(not name or not value for name, _, value in pairs):
        raise Invalid("Write --column as FIELD=COLUMN, such as date=Day.", code="invalid_column")
    size = file.stat().st_size
    if size > BYTES_MAX:
        raise Invalid(f"{file} has {size} bytes, and {BYTES_MAX} at most are read. Split it.", code="file_too_large")
    data = file.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{file}, line {line}: it is not UTF-8. Save it as such.", code="not_utf8") from None
    columns = {name: value for name, _, value in pairs}
    made = post("/reconciliation/invoices", {"provider": provider, "csv": text, "columns": columns})
    show([made], ["id", "provider", "line_count", "total", "currency", "new"], as_json=as_json)


def _explain(row: dict[str, Any]) -> None:
    for cause in row["causes"]:
        print(f"{row.get('model') or row['provider']}: {cause}")
    if row.get("rows"):
        print(f"  rows: {', '.join(row['rows'])}")


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
