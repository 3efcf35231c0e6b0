"""SQL of webhooks and their deliveries.

Invariants: a message is written in the transaction that it tells of; one that is being delivered is nobody else's until
its claim runs out, so that a worker that dies leaves nothing behind.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from argosy.billing.webhooks.tables import webhook_deliveries, webhooks
from argosy.billing.webhooks.webhook import Delivery, Webhook, message
from argosy.core import new_id, now
from argosy.runtime import Transaction

_WEBHOOK = select(*(webhooks.c[name] for name in Webhook.__dataclass_fields__))
_DELIVERY = select(*(webhook_deliveries.c[name] for name in Delivery.__dataclass_fields__))


class Due(NamedTuple):
    """A message to deliver now."""

    id: str
    webhook: Webhook
    secret: bytes
    """Sealed."""
    body: str
    attempts: int
    """This one among them."""
    created_at: int


def insert_webhook(tx: Transaction, webhook: Webhook, sealed: bytes) -> None:
    """Add it."""
    row = {name: getattr(webhook, name) for name in Webhook.__dataclass_fields__}
    tx.execute(insert(webhooks).values(row | {"events": list(webhook.events), "secret": sealed}))


def list_webhooks(tx: Transaction, organization_id: str) -> list[Webhook]:
    """The organization's webhooks, oldest first."""
    rows = tx.execute(_WEBHOOK.where(webhooks.c.organization_id == organization_id).order_by(webhooks.c.id))
    return [_webhook(row) for row in rows]


def remove_webhook(tx: Transaction, organization_id: str, webhook_id: str) -> bool:
    """Remove it and what was to be delivered to it; says whether it was there."""
    mine = (webhooks.c.organization_id == organization_id) & (webhooks.c.id == webhook_id)
    return tx.execute(delete(webhooks).where(mine)).rowcount > 0


def enqueue(
    tx: Transaction, organization_id: str, event: str, data: dict[str, Any], only: str | None = None
) -> list[str]:
    """Have the organization's webhooks that want this event told, or ``only`` this one; the ids of the messages."""
    made = []
    for webhook in list_webhooks(tx, organization_id):
        if webhook.id == only or (only is None and event in webhook.events):
            at, id_ = now(), new_id("msg_")
            row = {"id": id_, "webhook_id": webhook.id, "event": event, "body": message(event, data)}
            state = {"status": "pending", "attempts": 0, "next_at": at, "error": "", "created_at": at}
            tx.execute(insert(webhook_deliveries).values(**row, **state))
            made.append(id_)
    return made


def list_deliveries(
    tx: Transaction, organization_id: str, webhook_id: str | None, after: str | None, limit: int
) -> list[Delivery]:
    """Deliveries of the organization, or of one of its webhooks, newest first, from beyond the id ``after`` on."""
    wanted = _DELIVERY.join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
    wanted = wanted.where(webhooks.c.organization_id == organization_id)
    if webhook_id is not None:
        wanted = wanted.where(webhooks.c.id == webhook_id)
    if after is not None:
        wanted = wanted.where(webhook_deliveries.c.id < after)
    return [Delivery(*row) for row in tx.execute(wanted.order_by(webhook_deliveries.c.id.desc()).limit(limit))]


def anything_due(tx: Transaction, at: int) -> bool:
    """Whether any message, of all organizations, is due."""
    pending = (webhook_deliveries.c.status == "pending") & (webhook_deliveries.c.next_at <= at)
    return tx.execute(select(webhook_deliveries.c.id).where(pending).limit(1)).first() is not None


def claim_due(tx: Transaction, at: int, until: int, busy: Collection[str], limit: int) -> list[Due]:
    """The oldest due message of each webhook, but of those that are ``busy``; nobody else gets them ``until`` then."""
    pending = (webhook_deliveries.c.status == "pending") & (webhook_deliveries.c.next_at <= at)
    free = pending & webhook_deliveries.c.webhook_id.not_in(list(busy))
    first = select(func.min(webhook_deliveries.c.id)).where(free).group_by(webhook_deliveries.c.webhook_id).limit(limit)
    ids = list(tx.execute(first).scalars())
    claimed = update(webhook_deliveries).where(webhook_deliveries.c.id.in_(ids), pending)
    claimed = claimed.values(next_at=until, attempts=webhook_deliveries.c.attempts + 1)
    mine = tx.execute(claimed.returning(webhook_deliveries.c.id)).scalars().all() if ids else []
    columns = [webhook_deliveries.c[name] for name in ("id", "body", "attempts", "created_at")]
    rows = tx.execute(
        select(*(column.label(f"m_{column.name}") for column in columns), webhooks)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .where(webhook_deliveries.c.id.in_(mine))
    )
    return [Due(row.m_id, _webhook(row), row.secret, row.m_body, row.m_attempts, row.m_created_at) for row in rows]


def record_attempt(tx: Transaction, due: Due, status: str, next_at: int, answered: int | None, error: str) -> None:
    """What became of an attempt; nothing if another one was made since."""
    mine = (webhook_deliveries.c.id == due.id) & (webhook_deliveries.c.attempts == due.attempts)
    ended = None if status == "pending" else now()
    said = {"status": status, "next_at": next_at, "answered": answered, "error": error[:300], "ended_at": ended}
    tx.execute(update(webhook_deliveries).where(mine, webhook_deliveries.c.status == "pending").values(said))


def _webhook(row: Any) -> Webhook:
    fields = {name: getattr(row, name) for name in Webhook.__dataclass_fields__}
    return Webhook(**fields | {"events": tuple(row.events)})
