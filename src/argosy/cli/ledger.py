"""``argosy ledger``: the books as a whole, and whether anybody changed what is in them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, show
from argosy.cli.platform import HomeOption, read_settings
from argosy.core import Invalid, format_money, new_id

app = typer.Typer(help="The ledger: trial balance, entries, verify, corrections.", no_args_is_help=True)


@app.command("trial-balance")
def trial_balance(as_json: JsonOption = False) -> None:
    """Show what was posted to each account. All of them together come to zero; exits with 1 if they do not."""
    found = get("/ledger/trial-balance")
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        total = [{"account": "all", "currency": currency, **sums} for currency, sums in found["totals"].items()]
        rows = [row | {name: _money(row, name) for name in _SUMS} for row in (*found["data"], *total)]
        show(rows, ["account", *_SUMS, "entries"], as_json=False)
    if not found["balanced"]:
        raise typer.Exit(1)


_SUMS = ("debit", "credit", "balance")


def _money(row: dict[str, Any], name: str) -> str:
    return format_money(row[name], row["currency"])


@app.command()
def entries(
    account: Annotated[str | None, typer.Option(help="Such as revenue or owner_payable.")] = None,
    project: Annotated[str | None, typer.Option(help="A project's id.")] = None,
    party: Annotated[str | None, typer.Option(help="A model's owner, a provider, a customer.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's own name.")] = None,
    transaction: Annotated[str | None, typer.Option(help="The id of a request, an invoice, a payout...")] = None,
    since: Annotated[int | None, typer.Option(help="Unix seconds.")] = None,
    after: Annotated[int | None, typer.Option(help="Only entries after this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: JsonOption = False,
) -> None:
    """List entries of all projects, in the order in which they were posted."""
    wanted = {"account": account, "project_id": project, "party": party, "model": model}
    found = get("/ledger/entries", **wanted, transaction_id=transaction, since=since, after=after, limit=limit)
    columns = ["id", "transaction_id", "account", "project_id", "party", "model", "quantity", "amount", "currency"]
    show(found["data"], columns, as_json=as_json)
    if found["has_more"] and not as_json:
        print(f"There are more: --after {found['last_id']}")


@app.command()
def head(as_json: JsonOption = False) -> None:
    """Show the chain's last hash. Note it elsewhere, and 'argosy ledger verify --head' finds it again, or tells."""
    found = get("/ledger/head")
    if as_json:
        show([found], [], as_json=True)
    else:
        print(found["hash"])


@app.command()
def verify(
    known: Annotated[
        str | None, typer.Option("--head", help="A hash noted before, which must be in the chain.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Read the home's database, without the platform.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go through the whole ledger: is everything there, unchanged, in order and balanced? Exits with 1 if not.

    If the platform does not answer, the home's database is read.
    """
    import openai

    try:
        found = None if offline else _asked(known)
    except openai.APIConnectionError:
        found = None
    found = found or _read(known, home)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(f"{found['entries']} entries in {found['blocks']} blocks, head {found['head']}")
        if found["older"]:
            print(f"{found['older']} entries are older than the chain, and not covered")
        for problem in found["problems"]:
            print(f"WRONG: {problem}")
        print("The ledger is in order." if found["sound"] else "The ledger is NOT in order.")
    if not found["sound"]:
        raise typer.Exit(1)


@app.command()
def correct(
    transaction: Annotated[str, typer.Argument(help="A usage event's id, such as req_..., or a payout's.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the correction.")],
    amount: Annotated[int | None, typer.Option(min=1, help="Micro-units; by default all that is left.")] = None,
    key: Annotated[str | None, typer.Option(help="Asking twice with the same one corrects once.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what a request was charged, or a payout, by new entries. The owners' shares follow."""
    body = {"transaction_id": transaction, "reason": reason, "idempotency_key": key or new_id("once_")}
    made = post("/ledger/corrections", body if amount is None else body | {"amount": amount})
    show([made], _CORRECTION, as_json=as_json)


@app.command()
def corrections(as_json: JsonOption = False) -> None:
    """List what was taken back."""
    show(get("/ledger/corrections")["data"], _CORRECTION, as_json=as_json)


_CORRECTION = ["id", "transaction_id", "amount", "currency", "reason", "created_at"]


def _asked(known: str | None) -> dict[str, Any]:
    """What the platform finds; tells on standard error how far it is."""
    from openai import Stream

    body = {"stream": True} | ({} if known is None else {"head": known})
    reports = Stream[dict[str, Any]]
    found: dict[str, Any] = {}
    for found in connect().post("/ledger/verify", cast_to=dict, body=body, stream=True, stream_cls=reports):
        if not found["done"]:
            _tell(found["entries"])
    if not found.get("done"):
        raise Invalid("The platform stopped before it was through; ask again.", code="verification_cut")
    return found


def _read(known: str | None, home: Path | None) -> dict[str, Any]:
    from argosy.app import verify_local_ledger

    found = verify_local_ledger(read_settings(home, None), known, _tell)
    return {**vars(found), "sound": not found.problems}


def _tell(entries: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{entries:,} entries", end="\r", file=sys.stderr, flush=True)
