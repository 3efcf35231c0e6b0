"""``argosy capacity``: what deployments can do in a minute and what is sold of it. ``argosy waitlist``: who waits."""

from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.core import Invalid

app = typer.Typer(help="Tokens a minute: what deployments can do, and what is sold by limits.")
waitlist = typer.Typer(help="Limits that promise more than there is: list, grant anyway, withdraw.")

_COLUMNS = ["model", "replicas", "tokens_per_minute", "source", "sold_tokens_per_minute", "left_tokens_per_minute",
            "waitlist", "waiting"]  # fmt: skip
_SHORT = {"tokens_per_minute": "tokens a minute", "sold_tokens_per_minute": "sold", "left_tokens_per_minute": "left"}
_LINE = ["id", "state", "place", "waits_for", "project_id", "model", "requests_per_minute", "tokens_per_minute"]
IdArgument = Annotated[str, typer.Argument(help="An id that 'argosy waitlist' shows.")]


@app.callback(invoke_without_command=True)
def capacity(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show what every deployment can do in a minute, and what limits promise of it."""
    if context.invoked_subcommand is None:
        _show(get("/capacity")["data"], as_json=as_json)


@app.command("set")
def set_(
    model: Annotated[str, typer.Argument(help="A deployed model.")],
    waitlist: Annotated[str | None, typer.Option(help="on: limits that promise more than there is wait; off.")] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Tokens a minute that it can do, or 'measured' to go by what was measured.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Switch a deployment's waitlist on or off, or say what it can do."""
    body: dict[str, Any] = {}
    if waitlist is not None:
        if waitlist not in ("on", "off"):
            raise Invalid(f"A waitlist is 'on' or 'off', not '{waitlist}'.", code="invalid_waitlist")
        body["waitlist"] = waitlist == "on"
    if tokens is not None:
        if tokens != "measured" and not tokens.isdecimal():
            raise Invalid(f"'{tokens}' is no number of tokens, nor 'measured'.", code="invalid_tokens")
        body["tokens_per_minute"] = None if tokens == "measured" else int(tokens)
    _show([put(f"/capacity/{model}", body)], as_json=as_json)


@waitlist.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that were granted or withdrawn too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the limits that wait, in the order in which they are granted."""
    if context.invoked_subcommand is not None:
        return
    rows: list[dict[str, Any]] = []
    more = True
    while more:
        after = rows[-1]["id"] if rows else None
        page = get("/waitlist", state=None if everything else "waiting", after=after, limit=1000)
        rows, more = rows + page["data"], page["has_more"]
    show(rows, _LINE, as_json=as_json)


@waitlist.command()
def grant(waiting: IdArgument, as_json: JsonOption = False) -> None:
    """Set a limit that waits at once, although it promises more than there is."""
    show([post(f"/waitlist/{waiting}/grant", {})], _LINE, as_json=as_json)


@waitlist.command()
def withdraw(waiting: IdArgument, as_json: JsonOption = False) -> None:
    """Take a limit that waits out of the line."""
    found = connect().delete(f"/waitlist/{waiting}", cast_to=dict[str, Any])
    show([found], _LINE, as_json=as_json)


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        return show(rows, [], as_json=True)
    shown = [{_SHORT.get(name, name): row[name] for name in _COLUMNS} for row in rows]
    show(shown, [_SHORT.get(name, name) for name in _COLUMNS], as_json=False)
