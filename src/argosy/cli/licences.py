"""``argosy licences``: the terms of models, and a project's word that it keeps them."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, get, post, show

app = typer.Typer(help="Licences of models: list, show, accept.", invoke_without_command=True)

LicenceArgument = Annotated[str, typer.Argument(help="An id from 'argosy licences'.")]


@app.callback()
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the licences, with what they allow and whether this project accepted them."""
    if context.invoked_subcommand is not None:
        return
    rows = get("/licences")["data"]
    if not as_json:
        rows = [row | {"allows": ", ".join(row["uses"]), "accepted": _accepted(row)} for row in rows]
    show(rows, ["id", "title", "kind", "allows", "accepted"], as_json=as_json)


@app.command("show")
def show_(licence: LicenceArgument, as_json: JsonOption = False) -> None:
    """Show what one licence allows and asks for."""
    found = get(f"/licences/{licence}")
    rows = [{"term": name, "value": value} for name, value in found.items() if name != "object" and value is not None]
    show([found] if as_json else rows, ["term", "value"], as_json=as_json)


@app.command()
def accept(
    licence: LicenceArgument, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")] = False
) -> None:
    """Accept a licence for this project. Needs an administrator's key."""
    terms = get(f"/licences/{licence}")
    print(f"{terms['title']}: {terms['url']}\n{terms['summary']}")
    if not yes:
        typer.confirm("Have you read the text, and do you accept it for this project?", abort=True)
    post(f"/licences/{licence}/accept", {})
    print(f"{licence} is accepted for this project")


def _accepted(row: dict[str, object]) -> str:
    if row["accepted"]:
        return "yes"
    return "no" if row["acceptance"] else "not needed"
