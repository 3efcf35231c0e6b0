"""``argosy batch``: a file of requests answered in the background, at a discount."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, show
from argosy.core import Invalid

app = typer.Typer(help="Files of requests, answered in the background: create, list, status, cancel, results.")

IdArgument = Annotated[str, typer.Argument(help="An id from 'argosy batch list'.")]
_ENDED = ("completed", "failed", "expired", "cancelled")
_POLL_S = 0.5


@app.command()
def create(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSONL, one request a line, as OpenAI's.")],
    endpoint: Annotated[str | None, typer.Option(help="Default: the 'url' on the first line.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show how far it is until it has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a file of requests and have it answered."""
    endpoint = endpoint or _endpoint_of(file)
    uploaded = connect().files.create(file=file, purpose="batch")
    body = {"input_file_id": uploaded.id, "endpoint": endpoint, "completion_window": "24h"}
    made = post("/batches", body)
    if follow:
        made = _follow(made["id"], quiet=as_json)
    _tell(made, as_json)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List batches, newest first."""
    rows = get("/batches", limit=limit)["data"]
    if not as_json:
        rows = [row | {"lines": _lines(row)} for row in rows]
    show(rows, ["id", "status", "endpoint", "lines"], as_json=as_json)


@app.command()
def status(
    batch: IdArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far a batch is."""
    _tell(_follow(batch, quiet=as_json) if follow else get(f"/batches/{batch}"), as_json)


@app.command()
def cancel(batch: IdArgument, as_json: JsonOption = False) -> None:
    """Begin no more lines of a batch; what was answered stays."""
    _tell(post(f"/batches/{batch}/cancel", {}), as_json)


@app.command()
def results(
    batch: IdArgument,
    errors: Annotated[bool, typer.Option("--errors", help="The lines that ended with an error instead.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there; default: print.")] = None,
) -> None:
    """Print or save the answers of a batch that has ended, as JSONL."""
    found = get(f"/batches/{batch}")
    if found["status"] not in _ENDED:
        raise Invalid(
            f"The batch is {found['status']} ({_lines(found)}). 'argosy batch status --follow {batch}' waits for it.",
            code="batch_not_ended",
        )
    file_id = found["error_file_id" if errors else "output_file_id"]
    if file_id is None:
        print("No line ended with an error." if errors else "No line was answered.", file=sys.stderr)
        return
    with connect().files.with_streaming_response.content(file_id) as response:
        if output is not None:
            response.stream_to_file(output)
            print(f"{output} written")
            return
        for text in response.iter_lines():
            print(text)


def _endpoint_of(file: Path) -> str:
    """What the first line says. Raises Invalid."""
    with file.open("rb") as opened:
        first = opened.readline(1 << 23)
    try:
        return str(json.loads(first)["url"])
    except (ValueError, KeyError, TypeError):
        raise Invalid(
            f'The first line of {file} is no request with a \'url\'. Each line is like {{"custom_id": "1", '
            '"method": "POST", "url": "/v1/chat/completions", "body": {...}}.',
            code="invalid_batch_file",
        ) from None


def _follow(batch_id: str, *, quiet: bool) -> dict[str, Any]:
    """Look until it has ended; a line of progress on standard error whenever that changed."""
    shown = ""
    while True:
        found = get(f"/batches/{batch_id}")
        if not quiet and (now := f"{found['status']}  {_lines(found)}") != shown:
            shown = now
            print(now, file=sys.stderr, flush=True)
        if found["status"] in _ENDED:
            return found
        time.sleep(_POLL_S)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    print(f"{found['id']} {found['status']}  {_lines(found)}")
    for error in (found["errors"] or {}).get("data", []):
        place = f"line {error['line']}: " if error["line"] else ""
        print(f"  {place}{error['message']}")
    if found["status"] == "completed":
        print(f"'argosy batch results {found['id']}' prints the answers.")


def _lines(found: dict[str, Any]) -> str:
    counts = found["request_counts"]
    done = counts["completed"] + counts["failed"]
    failed = f", {counts['failed']} with errors" if counts["failed"] else ""
    return f"{done} of {counts['total']} lines{failed}" if counts["total"] else "lines not counted yet"
