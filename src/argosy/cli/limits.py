"""``argosy limits``: how many requests and tokens a minute a project, a key, or a project at a model may use."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, put, show

app = typer.Typer(help="Limits in requests and tokens a minute: list, set, remove.", no_args_is_help=True)

ProjectOption = Annotated[str | None, typer.Option(help="Id or name of another project than the key's own.")]
_COLUMNS = ["id", "key", "model", "requests_per_minute", "tokens_per_minute"]


@app.command("list")
def list_(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the limits of a project, its keys and its models."""
    show(get("/limits", project=project)["data"], _COLUMNS, as_json=as_json)


@app.command("set")
def set_(
    requests: Annotated[int | None, typer.Option(help="Requests in 60 seconds.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens of prompts and answers in 60 seconds.")] = None,
    key: Annotated[str | None, typer.Option(help="Only for this key, by its id.")] = None,
    model: Annotated[str | None, typer.Option(help="Only at this model.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a limit, or change it. It holds at once, in every process, with no restart; unless it has to wait for
    capacity, which is told.
    """
    body = {
        "project": project,
        "key": key,
        "model": model,
        "requests_per_minute": requests,
        "tokens_per_minute": tokens,
    }
    made = put("/limits", {name: value for name, value in body.items() if value is not None})
    show([made], _COLUMNS, as_json=as_json)
    if made["object"] == "limit.waiting" and not as_json:
        print(
            f"Not set yet: it waits for {', '.join(made['waits_for'])}, place {made['place']} in the line. "
            "See 'argosy waitlist' and 'argosy capacity'."
        )


@app.command()
def remove(
    limit: Annotated[str, typer.Argument(help="An id that 'argosy limits list' shows.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a limit away."""
    query = {"project": project} if project else {}
    removed = connect().delete(f"/limits/{limit}", cast_to=object, options={"params": query})
    if as_json:
        show([removed], [], as_json=True)  # type: ignore[list-item]
    else:
        print(f"{limit} is removed")
