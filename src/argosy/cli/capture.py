"""``argosy capture``: requests that are kept for feedback, and the training data that they become."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.core import Invalid

app = typer.Typer(help="Requests kept for feedback: on, off, show, list, export, rate, delete.", no_args_is_help=True)
_SETTINGS = ["enabled", "share", "models", "days", "rows", "rows_max", "bytes", "bytes_max", "redaction"]
_COLUMNS = ["id", "created_at", "model", "served_by", "outcome", "rating", "corrected"]

IdArgument = Annotated[str, typer.Argument(help="A request's id, from its header x-request-id or from 'list'.")]
ModelOption = Annotated[str | None, typer.Option(help="Only of this model, as asked for or as it answered.")]
RatingOption = Annotated[str | None, typer.Option(help="up, down, neutral, any (rated at all) or none (not rated).")]
SinceOption = Annotated[int | None, typer.Option(help="From this moment on, in Unix seconds.")]
UntilOption = Annotated[int | None, typer.Option(help="Before this moment, in Unix seconds.")]


@app.command()
def on(
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the requests, 0 to 1.")] = 1.0,
    model: Annotated[
        list[str] | None, typer.Option(help="A name that requests ask by; repeat it. Default: all.")
    ] = None,
    redact: Annotated[
        str | None,
        typer.Option(help="Built-in rules, with commas: api_key,email,id_card,bank_card,phone,ip. Default: all."),
    ] = None,
    pattern: Annotated[list[str] | None, typer.Option(help="One of your own, NAME=EXPRESSION; repeat it.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="system, user or tool_arguments; repeat it.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How long a request is kept.")] = 30,
    rows_max: Annotated[int | None, typer.Option(min=1, help="Beyond this many the oldest go.")] = None,
    mb_max: Annotated[int | None, typer.Option(min=1, help="The same for megabytes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep requests of the project from now on. What is said here replaces all that was set before."""
    redaction: dict[str, Any] = {"patterns": [_pattern(each) for each in pattern or ()], "drop": drop or []}
    if redact is not None:
        redaction["builtin"] = [name.strip() for name in redact.split(",") if name.strip()]
    body = {"share": share, "models": model or [], "redaction": redaction, "days": days}
    body |= {"rows_max": rows_max} if rows_max else {}
    body |= {"bytes_max": mb_max << 20} if mb_max else {}
    show([put("/capture", body)], _SETTINGS, as_json=as_json)


@app.command()
def off(as_json: JsonOption = False) -> None:
    """Keep no more requests. What is kept stays until its days are over, or 'delete --all'."""
    found = connect().delete("/capture", cast_to=dict[str, Any])
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(f"Nothing more is captured; {found['rows']} requests are kept ('argosy capture delete --all')")


@app.command("show")
def show_(
    request: Annotated[str | None, typer.Argument(help="A request's id: its content, as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what holds for the project or, with an id, all that is kept of one request."""
    if request is None:
        show([get("/capture")], _SETTINGS, as_json=as_json)
    else:
        print(json.dumps(get(f"/captures/{request}"), ensure_ascii=False, indent=2))


@app.command("list")
def list_(
    model: ModelOption = None,
    rating: RatingOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 20,
    after: Annotated[str | None, typer.Option(help="The last id of the page before.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List captured requests, newest first."""
    query = {"model": model, "rating": rating, "since": since, "until": until, "limit": limit, "after": after}
    show(get("/captures", **query)["data"], _COLUMNS, as_json=as_json)


@app.command()
def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write there; it becomes the file whole or not at all.")
    ],
    model: ModelOption = None,
    rating: RatingOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Save captured requests as training data, each answer as it was corrected; upload it for 'argosy tune'."""
    from argosy.runtime.whole_file import whole_file

    query = {"model": model, "rating": rating, "since": since, "until": until}
    params = {name: value for name, value in query.items() if value is not None}
    from openai import HttpxBinaryResponseContent

    response = connect().get("/captures/export", cast_to=HttpxBinaryResponseContent, options={"params": params})
    rows, matched = response.content.count(b"\n"), int(response.response.headers["x-argosy-captures"])
    with whole_file(output) as unfinished:
        unfinished.write_bytes(response.content)
    print(f"{rows} rows in {output}, of {matched} requests")
    if rows < matched:
        print(
            f"{matched - rows} cannot be trained on: they hold tool calls or pictures, or an answer that was cut short "
            "and not corrected",
            file=sys.stderr,
        )


@app.command(context_settings={"ignore_unknown_options": True})  # so that -0.5 is a rating
def rate(
    request: IdArgument,
    rating: Annotated[str, typer.Argument(help="up, down, or a number from -1 to 1.")],
    comment: Annotated[str | None, typer.Option(help="Why.")] = None,
    correction: Annotated[str | None, typer.Option(help="The answer as it should have been; '-' reads it in.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the answer to a request was worth. A second time takes the place of the first."""
    value: str | float = rating
    if re.fullmatch(r"[+-]?\d*\.?\d+", rating):
        value = float(rating)
    body: dict[str, Any] = {"request_id": request, "rating": value}
    body |= {"comment": comment} if comment is not None else {}
    if correction is not None:
        body["correction"] = sys.stdin.read().rstrip("\n") if correction == "-" else correction
    show([post("/feedback", body)], ["request_id", "rating", "comment", "correction"], as_json=as_json)


@app.command()
def delete(
    request: Annotated[str | None, typer.Argument(help="A request's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the project.")] = False,
) -> None:
    """Delete captured requests, and the feedback on them, for good."""
    if (request is None) is not every:
        raise Invalid("Name one request, or say --all for all of the project's.", code="invalid_arguments")
    if request is not None:
        connect().delete(f"/captures/{request}", cast_to=object)
        print(f"{request} is deleted")
        return
    found = connect().delete("/captures", cast_to=dict[str, Any])
    print(f"{found['rows']} captured requests are deleted")


def _pattern(text: str) -> dict[str, str]:
    name, equals, expression = text.partition("=")
    if not equals:
        raise Invalid(f"The pattern '{text}' is not like NAME=EXPRESSION.", code="invalid_pattern")
    return {"name": name, "pattern": expression}
