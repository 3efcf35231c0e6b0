"""``argosy webhooks``: who is told when a budget or what was paid ahead runs out; ``argosy alerts``: what was told."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, post, show

app = typer.Typer(help="Webhooks: add, list, remove, test, deliveries.", no_args_is_help=True)

WebhookArgument = Annotated[str, typer.Argument(help="An id that 'argosy webhooks list' shows.")]
_COLUMNS = ["id", "url", "events", "private"]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where messages go, such as https://example.com/hook.")],
    event: Annotated[list[str] | None, typer.Option(help="Only this event; repeatable. By default all.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Its address may be inside this network.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a webhook. Its secret is shown this once."""
    made = post("/webhooks", {"url": url, "private": private} | ({"events": event} if event else {}))
    show([made], [*_COLUMNS, "secret"], as_json=as_json)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List webhooks."""
    show(get("/webhooks")["data"], _COLUMNS, as_json=as_json)


@app.command()
def remove(webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Remove a webhook, and what was to be told to it."""
    removed = connect().delete(f"/webhooks/{webhook}", cast_to=object)
    if as_json:
        show([removed], [], as_json=True)  # type: ignore[list-item]
    else:
        print(f"{webhook} is removed")


@app.command("test")
def send_test(webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a test message. 'argosy webhooks deliveries' shows what became of it."""
    show([post(f"/webhooks/{webhook}/test", {})], ["id", "event", "status"], as_json=as_json)


@app.command()
def deliveries(
    webhook: Annotated[str | None, typer.Option(help="Only of this webhook.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List messages and what became of them, newest first."""
    columns = ["id", "webhook_id", "event", "status", "attempts", "answered", "error"]
    show(get("/webhooks/deliveries", webhook=webhook, limit=limit)["data"], columns, as_json=as_json)


def alerts(as_json: JsonOption = False) -> None:
    """Thresholds of budgets and credits that were reached, newest first."""
    columns = ["id", "kind", "scope", "subject", "threshold", "used", "allowed", "currency", "created_at"]
    show(get("/alerts")["data"], columns, as_json=as_json)
