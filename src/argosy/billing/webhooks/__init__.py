"""Webhooks: organizations are told of events by signed messages."""

from argosy.billing.webhooks.delivery import Deliverer
from argosy.billing.webhooks.store import enqueue, insert_webhook, list_deliveries, list_webhooks, remove_webhook
from argosy.billing.webhooks.webhook import (
    BUDGET_REACHED,
    CREDITS_REACHED,
    EVENTS,
    TEST,
    Delivery,
    Webhook,
    make_webhook,
)

__all__ = [
    "BUDGET_REACHED",
    "CREDITS_REACHED",
    "EVENTS",
    "TEST",
    "Deliverer",
    "Delivery",
    "Webhook",
    "enqueue",
    "insert_webhook",
    "list_deliveries",
    "list_webhooks",
    "make_webhook",
    "remove_webhook",
]
