"""Spending credits: which of a fund's credits pay for a charge, and what the ledger says of it.

Invariants: each micro-unit of a credit pays once; what a charge is not covered for is owed, never lost; the order is
grants before money that was paid, among them what expires soonest, then what came first.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple

from argosy.billing import ledger
from argosy.billing.credits import store
from argosy.billing.credits.store import Payer, Purse
from argosy.billing.funds import add_spent
from argosy.billing.ledger.accounts import CREDITS, PREPAID, Entry
from argosy.billing.usage import UsageEvent
from argosy.runtime import Transaction


class Charge(NamedTuple):
    """A new event whose fund pays for it."""

    event: UsageEvent
    amount: int
    """Micro-units."""
    currency: str


def spend_credits(tx: Transaction, charged: Sequence[Charge]) -> dict[str, list[Entry]]:
    """Spend what the events' funds have; the debits of each event that are paid by it, by the event's id.

    A charge in another currency than its fund's, or of a fund that is no longer there, is not paid by it. The ledger
    is locked from here on, then the funds in the order of their ids, then their credits.
    """
    if not charged:
        return {}
    ledger.lock(tx)
    payers = store.lock_payers(tx, {charge.event.fund for charge in charged})
    payable = [
        charge for charge in charged if (fund := payers.get(charge.event.fund)) and fund.currency == charge.currency
    ]
    left: dict[str, deque[Purse]] = defaultdict(deque)
    for purse in store.open_credits(tx, payers):
        left[purse.fund_id].append(purse)
    paid: dict[str, list[Entry]] = {}
    taken: dict[str, int] = defaultdict(int)
    spent: dict[str, int] = defaultdict(int)
    owed: dict[str, int] = defaultdict(int)
    for charge in payable:
        fund = payers[charge.event.fund]
        parts, rest = _take(left[fund.id], charge.amount)
        for purse, amount in parts:
            taken[purse.id] += amount
        paid[charge.event.id] = _debits(charge, fund, parts)
        spent[fund.id] += charge.amount
        if rest:
            owed[fund.id] += rest
    store.take_from_credits(tx, taken)
    add_spent(tx, spent)
    store.put_on_account(tx, owed)
    return paid


def _take(purses: deque[Purse], amount: int) -> tuple[list[tuple[Purse, int]], int]:
    """Take an amount from what comes first; says from what how much, and what is not covered."""
    parts: list[tuple[Purse, int]] = []
    while amount and purses:
        first = purses[0]
        part = min(amount, first.remaining)
        amount -= part
        parts.append((first, part))
        if part == first.remaining:
            purses.popleft()
        else:
            purses[0] = first._replace(remaining=first.remaining - part)
    return parts, amount


def _debits(charge: Charge, fund: Payer, parts: Sequence[tuple[Purse, int]]) -> list[Entry]:
    """One for each grant, told apart by its number in the fund, and one for all money that was paid ahead."""
    by_source: dict[tuple[str, str], int] = defaultdict(int)
    for purse, amount in parts:
        by_source[(CREDITS, f"grant {purse.position}") if purse.kind == "grant" else (PREPAID, "")] += amount
    event = charge.event
    return [
        Entry(event.id, account, event.project_id, amount, charge.currency, event.model, which, event.id,
              fund.organization_id)
        for (account, which), amount in by_source.items()
    ]  # fmt: skip
