"""``argosy top``: what the running platform does now, each second anew."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from argosy.cli.client import connect, platform_url
from argosy.cli.top_window import Window

if TYPE_CHECKING:
    from openai import OpenAI

_EVERY_S = 1.0


def top(
    once: Annotated[bool, typer.Option("--once", help="One look at one second, then end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object a line, without --once for ever.")
    ] = False,
) -> None:
    """Watch the platform: requests, latencies, tokens, errors, and who answers. Ctrl-C ends it; needs an admin key."""
    from rich.console import Console

    console = Console()
    if once or not (as_json or console.is_terminal):
        summary = _one_second()
        if as_json:
            print(json.dumps(summary, ensure_ascii=False))
        else:
            from argosy.cli.top_view import view

            console.print(view(summary, platform_url(), console.width, height=1000))
    elif as_json:
        for window, trouble in _looks():
            if not trouble:
                print(json.dumps(window.summary(), ensure_ascii=False), flush=True)
    else:
        _live(console)


def _live(console: Any) -> None:
    from rich.live import Live

    from argosy.cli.top_view import nothing_yet, view

    url = platform_url()
    with Live(nothing_yet(url, ""), console=console, screen=True, auto_refresh=False) as live:
        for window, trouble in _looks():
            shown = (
                view(window.summary(), url, console.width, console.height, trouble)
                if window
                else nothing_yet(url, trouble)
            )
            live.update(shown, refresh=True)


def _one_second() -> dict[str, Any]:
    """Raises what the client raises."""
    client, window = _client(), Window()
    window.add(time.monotonic(), _status(client))
    time.sleep(_EVERY_S)
    window.add(time.monotonic(), _status(client))
    return window.summary()


def _looks() -> Iterator[tuple[Window, str]]:
    """The window after each second, and why it is as it was before, if it is. Raises if the key is refused."""
    import openai

    client, window = _client(), Window()
    due = time.monotonic()
    while True:
        trouble = ""
        try:
            window.add(time.monotonic(), _status(client))
        except openai.APIConnectionError:
            trouble = f"Nothing answers at {platform_url()}: trying again."
        except openai.InternalServerError as error:
            trouble = f"The platform answers with {error.status_code}: trying again."
        yield window, trouble
        due = max(due + _EVERY_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _client() -> "OpenAI":
    return connect().with_options(max_retries=0, timeout=5.0)


def _status(client: "OpenAI") -> dict[str, Any]:
    return cast(dict[str, Any], client.get("/gateway/status", cast_to=object))
