"""SQL of alerts.

Invariants: each threshold of a fund is noticed once in a period, by whoever posts what reaches it, in the same
transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_

from argosy.billing.alerts.level import DEFAULT_THRESHOLDS, Level
from argosy.billing.alerts.tables import fund_alerts
from argosy.billing.funds.tables import fund_credits, funds
from argosy.core import new_id, now
from argosy.runtime import Transaction, insert_once


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold that was reached. Amounts are micro-units."""

    id: str
    fund_id: str
    kind: str
    scope: str
    subject: str
    currency: str
    threshold: int
    """Percent."""
    used: int
    allowed: int
    created_at: int


def levels(tx: Transaction, fund_ids: Collection[str]) -> list[Level]:
    """How far these funds are used, in the order of their ids."""
    wanted = list(fund_ids)
    last = select(fund_credits.c.fund_id, func.max(fund_credits.c.position)).where(fund_credits.c.fund_id.in_(wanted))
    newest = select(fund_credits.c.fund_id, fund_credits.c.id, fund_credits.c.level).where(
        tuple_(fund_credits.c.fund_id, fund_credits.c.position).in_(last.group_by(fund_credits.c.fund_id))
    )
    filled = {fund_id: (credit_id, level) for fund_id, credit_id, level in tx.execute(newest)}
    found = []
    for row in tx.execute(select(funds).where(funds.c.id.in_(wanted)).order_by(funds.c.id)):
        if row.kind == "prepaid":
            period, allowed = filled.get(row.id, ("", 0))
            used = allowed - (row.allowed - row.spent)
        else:
            period, allowed, used = f"{row.period_start}:{row.allowed}", row.allowed, row.spent
        thresholds = tuple(row._mapping.get("thresholds") or DEFAULT_THRESHOLDS)
        whose = (row.id, row.organization_id, row.kind, row.scope, row.subject, row.currency)
        found.append(Level(*whose, period, used, allowed, thresholds))
    return found


def insert_alert(tx: Transaction, level: Level, threshold: int) -> str | None:
    """Note it; the alert's id, or None if that was noticed before."""
    row = {"id": new_id("alert_"), "fund_id": level.fund_id, "organization_id": level.organization_id}
    what = {"threshold": threshold, "period": level.period, "used": level.used, "allowed": level.allowed}
    made = insert_once(tx, fund_alerts).values(**row, **what, created_at=now()).returning(fund_alerts.c.id)
    return tx.execute(made).scalar()


def list_alerts(tx: Transaction, organization_id: str, after: str | None, limit: int) -> list[Alert]:
    """Alerts of the organization, newest first, from beyond the one with the id ``after`` on."""
    columns = [(funds if name in ("kind", "scope", "subject", "currency") else fund_alerts).c[name]
               for name in Alert.__dataclass_fields__]  # fmt: skip
    wanted = select(*columns).join(funds, funds.c.id == fund_alerts.c.fund_id)
    wanted = wanted.where(fund_alerts.c.organization_id == organization_id)
    if after is not None:
        wanted = wanted.where(fund_alerts.c.id < after)
    return [Alert(*row) for row in tx.execute(wanted.order_by(fund_alerts.c.id.desc()).limit(limit))]
