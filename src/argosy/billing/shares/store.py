"""SQL of what owners of models get. Rules and payouts are the platform's own: they belong to no project."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, case, func, insert, select, text, update

from argosy.billing.ledger.accounts import OWNER_PAYABLE
from argosy.billing.rating import QUANTITIES
from argosy.billing.shares.rule import Month, Rule, Tier
from argosy.billing.shares.tables import share_months, share_payouts, share_rules
from argosy.billing.tables import ledger_entries, price_versions, usage_events
from argosy.runtime import Transaction

if TYPE_CHECKING:
    from argosy.billing.shares.payouts import Payout

_entries = ledger_entries.c
_ABOUT_SOMEBODY = text("ledger_entries.party <> ''")
"""As the index of parties says it: as a bound value it would not be found."""


def rules_of(tx: Transaction, models: Collection[str] | None) -> dict[str, list[Rule]]:
    """All versions of these models' rules, or of all that have one, oldest first."""
    query = select(share_rules).order_by(share_rules.c.model, share_rules.c.version)
    if models is not None:
        query = query.where(share_rules.c.model.in_(models))
    found: dict[str, list[Rule]] = {}
    for row in tx.execute(query):
        values = {**row._mapping, "tiers": tuple(Tier(*tier) for tier in row.tiers)}
        found.setdefault(row.model, []).append(Rule(**values))
    return found


def last_number(tx: Transaction) -> int:
    """Of all rules, 0 before the first. Under the ledger's lock."""
    return tx.execute(select(func.max(share_rules.c.number))).scalar() or 0


def insert_rule(tx: Transaction, rule: Rule) -> None:
    """Add it."""
    values = {column.name: getattr(rule, column.name) for column in share_rules.c}
    tx.execute(insert(share_rules).values(values | {"tiers": [list(tier) for tier in rule.tiers]}))


def currencies(tx: Transaction) -> list[str]:
    """In which there are prices."""
    return list(tx.execute(select(price_versions.c.currency).distinct().order_by(price_versions.c.currency)).scalars())


def read_months(tx: Transaction, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Month]:
    """How far these rules' months have come; new where there is none yet. Under the ledger's lock."""
    rules, months = {rule for rule, _ in keys}, {month for _, month in keys}
    asked = select(share_months).where(share_months.c.rule_id.in_(rules), share_months.c.month.in_(months))
    there = {(row.rule_id, row.month): Month(row.revenue, row.share, row.events) for row in tx.execute(asked)}
    return {key: there.get(key) or Month() for key in keys}


def write_months(tx: Transaction, months: Mapping[tuple[str, int], Month]) -> None:
    """Store how far they are now. Under the ledger's lock."""
    for (rule_id, month), reached in months.items():
        values = {"revenue": reached.revenue, "share": reached.share, "events": reached.events}
        mine = (share_months.c.rule_id == rule_id) & (share_months.c.month == month)
        if tx.execute(update(share_months).where(mine).values(values)).rowcount == 0:
            tx.execute(insert(share_months).values(rule_id=rule_id, month=month, **values))


def months_of(tx: Transaction, month: int) -> Mapping[str, Row[Any]]:
    """What one month came to so far, by rule."""
    return {row.rule_id: row for row in tx.execute(select(share_months).where(share_months.c.month == month))}


def payables(tx: Transaction) -> Sequence[Row[Any]]:
    """What is owed to each owner in each currency, in micro-units; below zero where an owner got too much."""
    owed = (-func.sum(_entries.amount)).label("payable")
    mine = _ABOUT_SOMEBODY & (_entries.account == OWNER_PAYABLE)
    columns: list[Any] = [_entries.party.label("owner"), _entries.currency, owed]
    query = select(*columns).where(mine)
    return tx.execute(query.group_by(_entries.party, _entries.currency).order_by(_entries.party)).all()


def payable(tx: Transaction, owner: str, currency: str, before: int | None = None) -> int:
    """What is owed to the owner, in micro-units; only by entries below number ``before``."""
    mine = _of(owner, currency) if before is None else _of(owner, currency) & (_entries.id < before)
    return -int(tx.execute(select(func.coalesce(func.sum(_entries.amount), 0)).where(mine)).scalar_one())


def first_entry_since(tx: Transaction, owner: str, currency: str, second: int) -> int | None:
    """Number of the owner's first entry from that second on; None if there is none yet. What follows it counts as
    later, even where the clock was set back: what was once on a statement stays on it.
    """
    at = select(func.min(_entries.id)).where(_of(owner, currency), _entries.created_at >= second)
    return tx.execute(at).scalar()


def earned(tx: Transaction, owner: str, currency: str, first: int, before: int | None) -> Sequence[Row[Any]]:
    """The owner's shares by model and rule, of entries from number ``first`` to below ``before``; those that usage
    earned, and those that corrections of it took back.
    """
    used = usage_events.c
    tokens = used.prompt_tokens + used.completion_tokens + used.training_tokens
    charged = sum((used[f"{name}_amount"] for name in QUANTITIES[1:]), used[f"{QUANTITIES[0]}_amount"])
    taken_back = case((_entries.transaction_id == _entries.usage_id, 0), else_=1).label("taken_back")
    sums = (
        func.count().label("events"),
        func.sum(tokens).label("tokens"),
        func.sum(charged).label("revenue"),
        (-func.sum(_entries.amount)).label("share"),
    )
    keys = (taken_back, _entries.model, _entries.quantity)
    query = (
        select(*keys, share_rules.c.version, share_rules.c.model.label("rule_model"), *sums)
        .join(usage_events, used.id == _entries.usage_id)
        .join(share_rules, share_rules.c.id == _entries.quantity)
        .where(_between(owner, currency, first, before))
        .group_by(*keys, share_rules.c.version, share_rules.c.model, share_rules.c.number)
        .order_by(taken_back, _entries.model, share_rules.c.number)
    )
    return tx.execute(query).all()


def other_movements(tx: Transaction, owner: str, currency: str, first: int, before: int | None) -> Sequence[Row[Any]]:
    """The owner's entries that no usage caused, in order: payouts, and what took them back."""
    mine = _between(owner, currency, first, before) & _entries.usage_id.is_(None)
    amount = (-_entries.amount).label("amount")
    columns: list[Any] = [_entries.transaction_id, _entries.created_at, amount, share_payouts.c.note]
    joined = select(*columns).outerjoin(share_payouts, share_payouts.c.id == _entries.transaction_id)
    return tx.execute(joined.where(mine).order_by(_entries.id)).all()


def owner_names(tx: Transaction) -> dict[str, str]:
    """Each owner's name, as its latest rule has it."""
    rows = tx.execute(select(share_rules.c.owner, share_rules.c.owner_name).order_by(share_rules.c.number))
    return {row.owner: row.owner_name for row in rows}


def insert_payout(tx: Transaction, payout: Payout) -> None:
    """Add it."""
    tx.execute(insert(share_payouts).values({column.name: getattr(payout, column.name) for column in share_payouts.c}))


def select_payouts(tx: Transaction, owner: str | None = None, idempotency_key: str | None = None) -> Sequence[Row[Any]]:
    """Payouts, newest first: all, an owner's, or the one that was asked for with this key."""
    query = select(share_payouts).order_by(share_payouts.c.id.desc())
    if owner is not None:
        query = query.where(share_payouts.c.owner == owner)
    if idempotency_key is not None:
        query = query.where(share_payouts.c.idempotency_key == idempotency_key)
    return tx.execute(query).all()


def _of(owner: str, currency: str) -> Any:
    """Entries of what is owed to the owner. The empty party, which is nobody, has none."""
    mine = _ABOUT_SOMEBODY & (_entries.party == owner) & (_entries.account == OWNER_PAYABLE)
    return mine & (_entries.currency == currency)


def _between(owner: str, currency: str, first: int, before: int | None) -> Any:
    mine = _of(owner, currency) & (_entries.id >= first)
    return mine if before is None else mine & (_entries.id < before)
