"""How commands reach the platform, and how they show what it says.

OpenAI's client is imported when it is used: it takes most of a second, and the platform's own processes, which are
commands too, never use it.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from argosy.core import ArgosyError, Invalid, Settings

if TYPE_CHECKING:
    from openai import OpenAI

_WIDEST = 10_000
"""Wider than any table."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@contextmanager
def tell() -> Iterator[None]:
    """Turn errors meant for people into one line on standard error and exit status 1."""
    try:
        yield
    except ArgosyError as error:
        _stop(error.message)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        import openai

        if isinstance(error, openai.APIConnectionError):
            _stop(f"Nothing answers at {error.request.url}. Start the platform with 'argosy up', or set ARGOSY_URL.")
        if isinstance(error, openai.APIStatusError):
            _stop(_message_of(error))
        raise


def connect() -> "OpenAI":
    """A client of ``ARGOSY_URL``, or of the platform on this home, with ``ARGOSY_API_KEY``. Raises Invalid."""
    from openai import OpenAI

    key = os.environ.get("ARGOSY_API_KEY") or os.environ.get("ARGOSY_ADMIN_KEY")
    if not key:
        raise Invalid(
            "No API key. Set ARGOSY_API_KEY to the key that 'argosy up' printed at its first start, "
            "or make another with 'argosy keys create NAME'.",
            code="missing_api_key",
        )
    return OpenAI(api_key=key, base_url=platform_url() + "/v1", max_retries=2)


def platform_url() -> str:
    """``ARGOSY_URL``, or the address that the platform on this home wrote down when it started."""
    if url := os.environ.get("ARGOSY_URL"):
        return url.rstrip("/").removesuffix("/v1")
    settings = Settings.read()
    try:
        return str(json.loads((settings.home / "up.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        return f"http://{settings.host}:{settings.port}"


def get(path: str, **query: Any) -> dict[str, Any]:
    """GET a path of the public API, for instance ``/deployments``."""
    params = {name: value for name, value in query.items() if value is not None}
    return cast(dict[str, Any], connect().get(path, cast_to=object, options={"params": params}))


def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST JSON to a path of the public API."""
    return cast(dict[str, Any], connect().post(path, cast_to=object, body=body))


def put(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """PUT JSON to a path of the public API."""
    return cast(dict[str, Any], connect().put(path, cast_to=object, body=body))


def read_secret(variable: str, prompt: str) -> str:
    """A secret from the environment, a pipe or a prompt; never from the command line, where it would stay in the
    shell's history.
    """
    if secret := os.environ.get(variable):
        return secret
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    return str(typer.prompt(prompt, hide_input=True))


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool, tall: bool = False) -> None:
    """Print rows as a table of the named columns, or whole as JSON.

    A ``tall`` one that is too wide for the terminal stands as one line for each cell: no id or amount is broken then.
    """
    from rich.console import Console
    from rich.table import Table

    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # a name that is cut off cannot be copied
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console = Console()
    if tall and console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum > console.width:
        width = max(map(len, columns))
        print("\n\n".join("\n".join(f"{name:{width}}  {_cell(row.get(name))}" for name in columns) for row in rows))
    else:
        console.print(table if rows else "Nothing yet.")


def utc(second: int | None) -> str | None:
    """A time as people read it, to the minute."""
    return None if second is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(second))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _message_of(error: Any) -> str:
    """OpenAI's error body: its message, and the details beside it where there are any."""
    body = error.body if isinstance(error.body, dict) else {}
    lines = [str(body.get("message") or error.message)]
    lines += [f"  {detail}" for detail in body.get("details") or []]
    return "\n".join(lines)


def _stop(message: str) -> None:
    print(f"argosy: {message}", file=sys.stderr)
    sys.exit(1)
