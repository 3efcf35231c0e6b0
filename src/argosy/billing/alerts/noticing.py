"""Noticing that a fund is used up to a threshold, and telling whoever wants to know."""

from collections.abc import Collection

from argosy.billing import webhooks
from argosy.billing.alerts import store
from argosy.billing.alerts.level import Level
from argosy.runtime import Transaction

_EVENTS = {"budget": webhooks.BUDGET_REACHED, "prepaid": webhooks.CREDITS_REACHED}


def notice(tx: Transaction, fund_ids: Collection[str]) -> int:
    """Look at funds whose use changed in this transaction; says how many thresholds were reached for the first time."""
    if not fund_ids:
        return 0
    noticed = 0
    for level in store.levels(tx, fund_ids):
        for threshold in level.reached():
            alert_id = store.insert_alert(tx, level, threshold)
            if alert_id is not None:
                noticed += 1
                webhooks.enqueue(tx, level.organization_id, _EVENTS[level.kind], _told(alert_id, level, threshold))
    return noticed


def _told(alert_id: str, level: Level, threshold: int) -> dict[str, object]:
    """What receivers get. Amounts are micro-units."""
    return {
        "alert_id": alert_id,
        "fund_id": level.fund_id,
        "scope": level.scope,
        "subject": level.subject,
        "threshold": threshold,
        "used": level.used,
        "allowed": level.allowed,
        "remaining": max(0, level.allowed - level.used),
        "currency": level.currency,
    }
