"""``argosy cache``: whether the project's answers are kept, how many are, and throwing them away."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, put, show

app = typer.Typer(help="Kept answers: show, mode, clear.", no_args_is_help=True)


@app.command("show")
def show_(as_json: JsonOption = False) -> None:
    """Show what holds for the project, and how many of its answers are kept."""
    show([get("/cache")], ["mode", "entries", "bytes"], as_json=as_json)


@app.command()
def mode(
    mode: Annotated[
        str, typer.Argument(help="on: answers in which nothing is drawn at random; force: those too; off: none.")
    ],
) -> None:
    """Say whether answers are kept, where a request does not say so itself with the header x-argosy-cache."""
    print(f"The cache is {put('/cache', {'mode': mode})['mode']}")


@app.command()
def clear() -> None:
    """Throw all kept answers of the project away."""
    found = connect().delete("/cache", cast_to=dict[str, int])
    print(f"{found['entries']} answers are thrown away")
