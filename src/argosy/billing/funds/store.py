"""SQL of funds."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, insert, select, update

from argosy.billing.funds.tables import fund_credits, funds
from argosy.core import Invalid, new_id, now
from argosy.runtime import Transaction, bump_version, insert_once

Kind = Literal["budget", "prepaid"]
Scope = Literal["organization", "project", "key", "model"]


@dataclass(frozen=True, slots=True)
class Fund:
    """What somebody may spend. Amounts are micro-units."""

    id: str
    organization_id: str
    kind: Kind
    scope: Scope
    subject: str
    """Whose it is: the id of an organization, project or key, or a model's name."""
    period: Literal["month", "none"]
    period_start: int
    """When the present month began, in unix seconds; 0 without a period."""
    hard: bool
    """Whether requests are refused at its end."""
    currency: str
    allowed: int
    spent: int
    created_at: int


def ensure_prepaid(tx: Transaction, organization_id: str, scope: Scope, subject: str, currency: str) -> Fund:
    """The prepaid fund of this scope, made empty if there is none: from then on, what nobody paid ahead is refused.

    Raises Invalid for another currency than it has.
    """
    mine = {"organization_id": organization_id, "kind": "prepaid", "scope": scope, "subject": subject}
    new = {"period": "none", "period_start": 0, "hard": True, "currency": currency, "allowed": 0, "spent": 0}
    made = insert_once(tx, funds).values(id=new_id("fund_"), **mine, **new, created_at=now()).returning(funds.c.id)
    if tx.execute(made).first() is not None:
        bump_version(tx)
    fund = Fund(**tx.execute(select(funds).filter_by(**mine)).one()._mapping)
    if fund.currency != currency:
        raise Invalid(
            f"What is prepaid there is in {fund.currency}, and this is in {currency}. Convert it first.",
            code="currency_mismatch",
            param="currency",
        )
    return fund


def change_allowed(tx: Transaction, fund_id: str, difference: int) -> None:
    """Let more be spent of a fund, or less."""
    changed = update(funds).where(funds.c.id == fund_id).values(allowed=funds.c.allowed + difference)
    tx.execute(changed)
    bump_version(tx)


def give_back(tx: Transaction, fund_id: str, kind: Literal["top_up", "grant"], amount: int, note: str) -> None:
    """Let what was spent of a prepaid fund be spent again: as a new credit, which does not expire."""
    of_fund = fund_credits.c.fund_id == fund_id
    position = tx.execute(select(func.count()).select_from(fund_credits).where(of_fund)).scalar_one()
    credit = {"id": new_id("credit_"), "kind": kind, "note": note[:200], "amount": amount, "remaining": amount}
    tx.execute(insert(fund_credits).values(fund_id=fund_id, created_at=now(), position=position, **credit))
    change_allowed(tx, fund_id, amount)
