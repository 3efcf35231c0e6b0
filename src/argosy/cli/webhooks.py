"""``argosy webhooks``: who is told when a budget or what was paid ahead runs out; ``argosy alerts``: what was told."""

from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, show, utc
from argosy.core import format_money

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
    _show([made], as_json=as_json)
    if not as_json:
        print(f"\nIts secret, shown this once; the receiver checks signatures with it:\n{made['secret']}")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List webhooks."""
    _show(get("/webhooks")["data"], as_json=as_json)


@app.command()
def remove(webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Remove a webhook, and what was to be told to it."""
    removed = connect().delete(f"/webhooks/{webhook}", cast_to=object)
    if as_json:
        show([removed], [], as_json=True)  # type: ignore[list-item]
    else:
        print(f"{webhook} is removed.")


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
    found = get("/webhooks/deliveries", webhook=webhook, limit=limit)["data"]
    rows = [
        row
        | {
            "created_at": utc(row["created_at"]),
            "again_at": utc(row["next_at"]) if row["status"] == "pending" else None,
        }
        for row in found
    ]
    columns = ["id", "webhook_id", "event", "created_at", "status", "attempts", "answered", "error", "again_at"]
    show(found if as_json else rows, columns, as_json=as_json, tall=True)


def alerts(as_json: JsonOption = False) -> None:
    """Thresholds of budgets and credits that were reached, newest first."""
    found = get("/alerts")["data"]
    rows = [
        row
        | {name: format_money(row[name], row["currency"]) for name in ("used", "allowed")}
        | {"threshold": f"{row['threshold']}%", "created_at": utc(row["created_at"])}
        for row in found
    ]
    columns = ["id", "kind", "scope", "subject", "threshold", "used", "allowed", "created_at"]
    show(found if as_json else rows, columns, as_json=as_json, tall=True)


def _show(webhooks: list[dict[str, Any]], *, as_json: bool) -> None:
    rows = [
        webhook | {"events": ", ".join(webhook["events"]), "private": "yes" if webhook["private"] else "no"}
        for webhook in webhooks
    ]
    show(webhooks if as_json else rows, _COLUMNS, as_json=as_json, tall=True)
