"""SQL of funds: what was allowed, and what was spent of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, select, update

from argosy.billing.funds.months import month_start
from argosy.billing.funds.tables import fund_credits, fund_leases, funds
from argosy.core import Conflict, Invalid, NotFound, new_id, now
from argosy.runtime import Transaction, bump_version, insert_once

Kind = Literal["budget", "prepaid"]
Scope = Literal["organization", "project", "key", "model"]
Period = Literal["month", "none"]
THRESHOLDS = (80, 100)
"""Percents of a fund at which somebody is told, unless it says others."""


@dataclass(frozen=True, slots=True)
class Fund:
    """What somebody may spend. Amounts are micro-units."""

    id: str
    organization_id: str
    kind: Kind
    scope: Scope
    subject: str
    """Whose it is: the id of an organization, project or key, or a model's name."""
    period: Period
    period_start: int
    """When the present month began, in unix seconds; 0 without a period."""
    hard: bool
    """Whether requests are refused at its end."""
    currency: str
    allowed: int
    spent: int
    thresholds: Sequence[int]
    created_at: int
    held: int = 0
    """Set aside for requests that are under way, as far as processes have leased it; of it is spent what they use."""

    @property
    def remaining(self) -> int:
        """What is neither spent nor held; below zero where more was used than was allowed."""
        return self.allowed - self.spent - self.held


def put_budget(
    tx: Transaction,
    organization_id: str,
    scope: Scope,
    subject: str,
    *,
    period: Period,
    hard: bool,
    currency: str,
    allowed: int,
    thresholds: Sequence[int] = THRESHOLDS,
) -> Fund:
    """Set a budget, or change it: what was spent of it stays spent, unless its period changes. Every process keeps to
    it within half a second. Raises Invalid for another currency than the budget has.
    """
    mine = {"organization_id": organization_id, "kind": "budget", "scope": scope, "subject": subject}
    terms = {"hard": hard, "allowed": allowed, "thresholds": list(thresholds)}
    start = month_start(now()) if period == "month" else 0
    new = {"id": new_id("fund_"), "currency": currency, "period": period, "period_start": start, "spent": 0}
    tx.execute(insert_once(tx, funds).values(**mine, **terms, **new, created_at=now()))
    there = tx.execute(select(funds).filter_by(**mine).with_for_update()).one()
    if there.currency != currency:
        raise Invalid(
            f"This budget is in {there.currency}, and its spending with it. Remove it first, to set one in {currency}.",
            code="currency_mismatch",
            param="amount",
        )
    if there.period != period:
        terms |= {"period": period, "period_start": start, "spent": 0}
    tx.execute(update(funds).where(funds.c.id == there.id).values(terms))
    bump_version(tx)
    return get_fund(tx, organization_id, there.id)


def get_fund(tx: Transaction, organization_id: str, fund_id: str) -> Fund:
    """One fund of the organization. Raises NotFound."""
    row = tx.execute(_fund().where(funds.c.id == fund_id, funds.c.organization_id == organization_id)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no budget '{fund_id}' in this organization. GET /v1/budgets lists them.", code="budget_not_found"
        )
    return _as_fund(row)


def list_funds(tx: Transaction, organization_id: str, kind: Kind) -> list[Fund]:
    """The organization's funds of one kind: its own first, then those of projects, keys and models."""
    rows = tx.execute(_fund().where(funds.c.organization_id == organization_id, funds.c.kind == kind))
    order = ("organization", "project", "key", "model")
    return sorted(map(_as_fund, rows), key=lambda fund: (order.index(fund.scope), fund.subject))


def all_hard_funds(tx: Transaction) -> list[Fund]:
    """Those of all organizations that requests are refused for: what gateways keep to."""
    return [_as_fund(row) for row in tx.execute(_fund().where(funds.c.hard))]


def remove_budget(tx: Transaction, organization_id: str, fund_id: str) -> None:
    """Take a budget away. Raises NotFound; Conflict for what is prepaid, since that is the customer's money."""
    if get_fund(tx, organization_id, fund_id).kind != "budget":
        raise Conflict("This is money that was paid ahead. It is spent, or it expires.", code="fund_is_prepaid")
    tx.execute(delete(fund_leases).where(fund_leases.c.fund_id == fund_id))
    tx.execute(delete(funds).where(funds.c.id == fund_id, funds.c.organization_id == organization_id))
    bump_version(tx)


def ensure_prepaid(tx: Transaction, organization_id: str, scope: Scope, subject: str, currency: str) -> Fund:
    """The prepaid fund of this scope, made empty if there is none. Once an organization has one for all that it does,
    nothing of it is served that was not paid ahead.

    Raises Invalid for another currency than it has.
    """
    mine = {"organization_id": organization_id, "kind": "prepaid", "scope": scope, "subject": subject}
    new = {"period": "none", "period_start": 0, "hard": True, "currency": currency, "allowed": 0, "spent": 0}
    values = {"id": new_id("fund_"), **mine, **new, "thresholds": list(THRESHOLDS), "created_at": now()}
    if tx.execute(insert_once(tx, funds).values(values).returning(funds.c.id)).first() is not None:
        bump_version(tx)
    fund = _as_fund(tx.execute(_fund().filter_by(**mine)).one())
    if fund.currency != currency:
        raise Invalid(
            f"What is prepaid there is in {fund.currency}, and this is in {currency}. Convert it first.",
            code="currency_mismatch",
            param="currency",
        )
    return fund


def change_allowed(tx: Transaction, fund_id: str, difference: int) -> None:
    """Let more be spent of a fund, or less."""
    tx.execute(update(funds).where(funds.c.id == fund_id).values(allowed=funds.c.allowed + difference))
    bump_version(tx)


def lock_all(tx: Transaction) -> list[Fund]:
    """The funds of all organizations, nearly always few or none, locked in the order of their ids: whoever changes
    several takes them in the same order, so that two never wait for each other.
    """
    rows = tx.execute(select(funds).order_by(funds.c.id).with_for_update())
    return [Fund(**row._mapping) for row in rows]


def begin_month(tx: Transaction, fund: Fund, start: int) -> None:
    """A month begins at ``start``: nothing is spent of it. What is later already stays as it is."""
    later = (funds.c.id == fund.id) & (funds.c.period_start < start)
    tx.execute(update(funds).where(later).values(spent=0, period_start=start))


def add_spent(tx: Transaction, spent: Mapping[str, int]) -> None:
    """Count what was spent, in micro-units by fund."""
    for fund_id, amount in sorted(spent.items()):
        if amount:
            tx.execute(update(funds).where(funds.c.id == fund_id).values(spent=funds.c.spent + amount))


def give_back(tx: Transaction, fund_id: str, kind: Literal["top_up", "grant"], amount: int, note: str) -> None:
    """Let what was spent of a prepaid fund be spent again: as a new credit, which does not expire."""
    sums = select(
        func.coalesce(func.max(fund_credits.c.position), 0), func.coalesce(func.sum(fund_credits.c.remaining), 0)
    ).where(fund_credits.c.fund_id == fund_id)
    position, left = tx.execute(sums).one()
    credit = {"id": new_id("credit_"), "kind": kind, "note": note[:200], "amount": amount, "remaining": amount}
    credit |= {"position": position + 1, "level": int(left) + amount}
    tx.execute(insert(fund_credits).values(fund_id=fund_id, created_at=now(), **credit))
    change_allowed(tx, fund_id, amount)


def _fund() -> Any:
    held = select(func.coalesce(func.sum(fund_leases.c.outstanding), 0)).where(fund_leases.c.fund_id == funds.c.id)
    return select(funds, held.scalar_subquery().label("held"))


def _as_fund(row: Row[Any]) -> Fund:
    """As it stands now: of a month that has just begun, nothing is spent, whether or not that is written down yet."""
    fund = Fund(**{**row._mapping, "held": int(row.held)})
    if fund.period == "month" and (month := month_start(now())) > fund.period_start:
        return replace(fund, spent=0, period_start=month)
    return fund
