"""``/v1/webhooks``: where an organization is told of its budgets and credits; ``/v1/alerts``: what it was told."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from argosy.api.context import AdminCaller, PlatformParts, vault_of
from argosy.billing import alerts, webhooks
from argosy.billing.webhooks import EVENTS, TEST, Webhook
from argosy.core import NotFound, TooLarge

router = APIRouter(tags=["billing"])

_WEBHOOKS_MAX = 20
Limit = Annotated[int, Query(ge=1, le=1000)]


class NewWebhook(BaseModel):
    """Where to send messages."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000)
    events: list[str] = Field(default=list(EVENTS), min_length=1, max_length=20)
    private: bool = False
    """Whether the address may be inside the operator's network."""


@router.post("/v1/webhooks")
def create_webhook(body: NewWebhook, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Have events told to a URL. The secret that signs each message is in this answer, and never shown again.

    Messages follow the Standard Webhooks convention: check them with one of its libraries.
    """
    made, secret, sealed = webhooks.make_webhook(
        vault_of(platform), caller.organization_id, body.url, body.events, body.private
    )
    with platform.database.write() as tx:
        if len(webhooks.list_webhooks(tx, caller.organization_id)) >= _WEBHOOKS_MAX:
            raise TooLarge(
                f"There are {_WEBHOOKS_MAX} webhooks already. DELETE one that is not needed.", code="too_many_webhooks"
            )
        webhooks.insert_webhook(tx, made, sealed)
    return _wire(made) | {"secret": secret}


@router.get("/v1/webhooks")
def list_webhooks(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List the organization's webhooks, without their secrets."""
    with platform.database.read() as tx:
        found = webhooks.list_webhooks(tx, caller.organization_id)
    return {"object": "list", "data": [_wire(one) for one in found], "has_more": False}


@router.get("/v1/webhooks/deliveries")
def list_deliveries(
    platform: PlatformParts,
    caller: AdminCaller,
    webhook: str | None = None,
    after: str | None = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What was sent, newest first, and what became of it."""
    with platform.database.read() as tx:
        found = webhooks.list_deliveries(tx, caller.organization_id, webhook, after, limit + 1)
    data = [{"object": "webhook.delivery", **asdict(one)} for one in found[:limit]]
    return {"object": "list", "data": data, "has_more": len(found) > limit}


@router.post("/v1/webhooks/{webhook_id}/test")
def send_test(webhook_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Send a test message, soon. The answer names its delivery."""
    with platform.database.write() as tx:
        ids = webhooks.enqueue(tx, caller.organization_id, TEST, {"webhook_id": webhook_id}, only=webhook_id)
    if not ids:
        raise _not_found(webhook_id)
    return {"id": ids[0], "object": "webhook.delivery", "webhook_id": webhook_id, "event": TEST, "status": "pending"}


@router.delete("/v1/webhooks/{webhook_id}")
def delete_webhook(webhook_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Tell it nothing any more, not even what waits for another attempt."""
    with platform.database.write() as tx:
        if not webhooks.remove_webhook(tx, caller.organization_id, webhook_id):
            raise _not_found(webhook_id)
    return {"id": webhook_id, "object": "webhook", "deleted": True}


@router.get("/v1/alerts")
def list_alerts(
    platform: PlatformParts, caller: AdminCaller, after: str | None = None, limit: Limit = 100
) -> dict[str, Any]:
    """Thresholds of budgets and credits that were reached, newest first. Amounts are micro-units."""
    with platform.database.read() as tx:
        found = alerts.list_alerts(tx, caller.organization_id, after, limit + 1)
    data = [{"object": "alert", **asdict(one)} for one in found[:limit]]
    return {"object": "list", "data": data, "has_more": len(found) > limit}


def _not_found(webhook_id: str) -> NotFound:
    return NotFound(f"There is no webhook '{webhook_id}'. GET /v1/webhooks lists them.", code="webhook_not_found")


def _wire(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "object": "webhook",
        "url": webhook.url,
        "events": list(webhook.events),
        "private": webhook.private,
        "created_at": webhook.created_at,
    }
