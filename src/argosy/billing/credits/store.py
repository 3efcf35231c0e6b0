"""SQL of credits.

Invariants: what remains of a fund's credits is what it allows less what was spent of it; a credit that was found
expired stays so. Whoever takes the ledger's lock takes it before a fund's row.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, insert, or_, select, update

from argosy.billing.credits.credit import Credit, NewCredit
from argosy.billing.credits.tables import credit_keys
from argosy.billing.funds.tables import fund_credits, fund_leases, funds
from argosy.core import now
from argosy.runtime import Transaction, insert_once

_CREDIT = select(
    *(fund_credits.c[name] for name in ("id", "fund_id", "kind")),
    *(funds.c[name] for name in ("scope", "subject", "currency")),
    *(fund_credits.c[name] for name in ("amount", "remaining", "expired", "expires_at", "expired_at", "note")),
    fund_credits.c.created_at,
).join(funds, funds.c.id == fund_credits.c.fund_id)


class Payer(NamedTuple):
    """A prepaid fund that is to pay."""

    id: str
    organization_id: str
    currency: str


class Purse(NamedTuple):
    """An open credit, at its place in the order of spending."""

    id: str
    fund_id: str
    kind: str
    position: int
    remaining: int


class Balance(NamedTuple):
    """What a prepaid fund holds. Amounts are micro-units."""

    fund_id: str
    scope: str
    subject: str
    currency: str
    remaining: int
    """What is left, of which ``held`` is set aside for requests under way or usage that is not posted yet."""
    held: int
    granted: int
    """What of the remaining was given rather than paid."""
    spent: int


def remember_request(tx: Transaction, organization_id: str, key: str, request: str, credit_id: str) -> tuple[str, str]:
    """Who was first under this idempotency key: the digest of what was asked for then, and the credit that was made."""
    mine = {"organization_id": organization_id, "key": key}
    tx.execute(insert_once(tx, credit_keys).values(**mine, request=request, credit_id=credit_id))
    row = tx.execute(select(credit_keys.c.request, credit_keys.c.credit_id).filter_by(**mine)).one()
    return row.request, row.credit_id


def insert_credit(tx: Transaction, credit_id: str, fund_id: str, new: NewCredit) -> None:
    """Add a credit to its fund, whose row the caller has locked by changing what it allows."""
    of_fund = fund_credits.c.fund_id == fund_id
    sums = select(
        func.coalesce(func.max(fund_credits.c.position), 0), func.coalesce(func.sum(fund_credits.c.remaining), 0)
    )
    position, remaining = tx.execute(sums.where(of_fund)).one()
    row = {"id": credit_id, "fund_id": fund_id, "kind": new.kind, "note": new.note, "expires_at": new.expires_at}
    amounts = {"amount": new.amount, "remaining": new.amount, "level": int(remaining) + new.amount}
    tx.execute(insert(fund_credits).values(**row, **amounts, created_at=now(), position=position + 1))


def find_credit(tx: Transaction, organization_id: str, credit_id: str) -> Credit | None:
    """One credit of the organization."""
    row = tx.execute(_CREDIT.where(funds.c.organization_id == organization_id, fund_credits.c.id == credit_id)).first()
    return None if row is None else Credit(**row._mapping)


def list_credits(
    tx: Transaction, organization_id: str, subjects: Collection[str] | None, after: str | None, limit: int
) -> list[Credit]:
    """Credits of the organization, newest first, from beyond the one with the id ``after`` on; with ``subjects`` only
    those of one of them or of a model.
    """
    wanted = _CREDIT.where(funds.c.organization_id == organization_id)
    if subjects is not None:
        wanted = wanted.where(_pays_for(subjects))
    if after is not None:
        wanted = wanted.where(fund_credits.c.id < after)
    return [Credit(**row._mapping) for row in tx.execute(wanted.order_by(fund_credits.c.id.desc()).limit(limit))]


def list_balances(tx: Transaction, organization_id: str, subjects: Collection[str] | None) -> list[Balance]:
    """What each prepaid fund of the organization holds; with ``subjects`` only those of one of them or of a model."""
    held = (
        select(func.coalesce(func.sum(fund_leases.c.outstanding), 0))
        .where(fund_leases.c.fund_id == funds.c.id)
        .scalar_subquery()
    )
    granted = (
        select(func.coalesce(func.sum(fund_credits.c.remaining), 0))
        .where(fund_credits.c.fund_id == funds.c.id, fund_credits.c.kind == "grant")
        .scalar_subquery()
    )
    columns = (funds.c.id, funds.c.scope, funds.c.subject, funds.c.currency, funds.c.allowed - funds.c.spent)
    wanted = select(*columns, held, granted, funds.c.spent).where(
        funds.c.organization_id == organization_id, funds.c.kind == "prepaid"
    )
    if subjects is not None:
        wanted = wanted.where(_pays_for(subjects))
    rows = tx.execute(wanted.order_by(funds.c.scope, funds.c.subject))
    return [Balance(*row[:4], *map(int, row[4:])) for row in rows]


def lock_payers(tx: Transaction, fund_ids: Iterable[str]) -> dict[str, Payer]:
    """The prepaid funds among these, in the order of their ids; nobody else changes them until this is over."""
    columns = (funds.c.id, funds.c.organization_id, funds.c.currency)
    wanted = select(*columns).where(funds.c.id.in_(list(fund_ids)), funds.c.kind == "prepaid")
    return {row.id: Payer(*row) for row in tx.execute(wanted.order_by(funds.c.id).with_for_update())}


def open_credits(tx: Transaction, fund_ids: Iterable[str]) -> list[Purse]:
    """What the funds have, in the order in which it is spent: grants before money that was paid, among them what
    expires soonest, then what came first.
    """
    columns = [fund_credits.c[name] for name in Purse._fields]
    order = (
        case((fund_credits.c.kind == "grant", 0), else_=1),
        case((fund_credits.c.expires_at.is_(None), 1), else_=0),
        fund_credits.c.expires_at,
        fund_credits.c.position,
    )
    left = select(*columns).where(fund_credits.c.fund_id.in_(list(fund_ids)), fund_credits.c.remaining > 0)
    return [Purse(*row) for row in tx.execute(left.order_by(*order))]


def take_from_credits(tx: Transaction, taken: dict[str, int]) -> None:
    """Lessen what remains of these credits, by id."""
    changed = update(fund_credits).where(fund_credits.c.id == bindparam("which"))
    less = changed.values(remaining=fund_credits.c.remaining - bindparam("by"))
    if taken:
        tx.execute(less, [{"which": id_, "by": amount} for id_, amount in sorted(taken.items())])


def put_on_account(tx: Transaction, owed: dict[str, int]) -> None:
    """Allow the funds what was charged to them but paid by no credit: it is owed, and must not be paid a second time
    from what comes later.
    """
    changed = update(funds).where(funds.c.id == bindparam("which"))
    more = changed.values(allowed=funds.c.allowed + bindparam("by"))
    if owed:
        tx.execute(more, [{"which": id_, "by": amount} for id_, amount in sorted(owed.items())])


def funds_with_expired(tx: Transaction, at: int) -> list[str]:
    """Prepaid funds that still have something of a credit whose time has come, of all organizations."""
    due = select(fund_credits.c.fund_id).where(_due(at)).distinct()
    return list(tx.execute(due.order_by(fund_credits.c.fund_id)).scalars())


def expire(tx: Transaction, fund_id: str, at: int) -> list[tuple[str, int]]:
    """Take from a fund what is left of its expired credits, but nothing that is held; the ids and amounts of what was
    taken. Repeating it takes what is held no longer.
    """
    locked = tx.execute(select(funds.c.allowed - funds.c.spent).where(funds.c.id == fund_id).with_for_update()).scalar()
    held = select(func.coalesce(func.sum(fund_leases.c.outstanding), 0)).where(fund_leases.c.fund_id == fund_id)
    free = max(0, int(locked or 0) - int(tx.execute(held).scalar_one()))
    due = select(fund_credits.c.id, fund_credits.c.remaining).where(fund_credits.c.fund_id == fund_id, _due(at))
    taken: list[tuple[str, int]] = []
    for credit_id, remaining in tx.execute(due.order_by(fund_credits.c.expires_at, fund_credits.c.position)).all():
        amount = min(free, remaining)
        free -= amount
        less: dict[str, Any] = {"remaining": fund_credits.c.remaining - amount}
        less |= {"expired": fund_credits.c.expired + amount}
        less |= {"expired_at": func.coalesce(fund_credits.c.expired_at, at)}
        tx.execute(update(fund_credits).where(fund_credits.c.id == credit_id).values(less))
        if amount:
            taken.append((credit_id, amount))
    return taken


def _pays_for(subjects: Collection[str]) -> Any:
    return or_(funds.c.scope == "model", funds.c.subject.in_(subjects))


def _due(at: int) -> Any:
    over = or_(fund_credits.c.expires_at <= at, fund_credits.c.expired_at.is_not(None))
    return over & (fund_credits.c.remaining > 0)
