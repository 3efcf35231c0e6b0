"""Paying an owner what is owed.

Invariants: a payout is never above what is owed; asking twice with one key pays once.
"""

from dataclasses import dataclass

from argosy.billing.ledger import CASH, OWNER_PAYABLE, Entry, lock, post
from argosy.billing.shares import store
from argosy.core import Conflict, Invalid, NotFound, format_money, new_id, now
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class Payout:
    """Money that went to an owner."""

    id: str
    """Also of the ledger's transaction."""
    owner: str
    amount: int
    """Micro-units."""
    currency: str
    note: str
    idempotency_key: str
    key_id: str
    created_at: int


def pay_out(
    tx: Transaction, owner: str, amount: int, currency: str, *, idempotency_key: str, key_id: str, note: str = ""
) -> Payout:
    """Book that the owner was paid. Raises NotFound for an owner without a rule, Invalid, and Conflict for more than is
    owed or another payout under the same key.
    """
    lock(tx)
    for row in store.select_payouts(tx, idempotency_key=idempotency_key):
        return _asked_before(Payout(**row._mapping), owner, amount, currency)
    require_owner(tx, owner)
    owed = store.payable(tx, owner, currency)
    if amount <= 0:
        raise Invalid("A payout is more than zero.", code="invalid_payout", param="amount")
    if amount > owed:
        raise Conflict(
            f"'{owner}' is owed {format_money(owed, currency)}, which is less than {format_money(amount, currency)}.",
            code="payout_above_payable",
            param="amount",
        )
    payout = Payout(new_id("payout_"), owner, amount, currency, note, idempotency_key, key_id, now())
    store.insert_payout(tx, payout)
    moves = ((OWNER_PAYABLE, amount), (CASH, -amount))
    post(tx, [Entry(payout.id, account, "", moved, currency, party=owner) for account, moved in moves])
    return payout


def list_payouts(tx: Transaction, owner: str | None = None) -> list[Payout]:
    """Payouts, newest first."""
    return [Payout(**row._mapping) for row in store.select_payouts(tx, owner)]


def require_owner(tx: Transaction, owner: str) -> str:
    """The owner's name. Raises NotFound."""
    names = store.owner_names(tx)
    if owner not in names:
        known = f"Known are {', '.join(sorted(names)[:20])}." if names else "'argosy shares set' agrees on a first one."
        raise NotFound(f"No model has a share for an owner '{owner}'. {known}", code="owner_not_found", param="owner")
    return names[owner]


def _asked_before(there: Payout, owner: str, amount: int, currency: str) -> Payout:
    if (there.owner, there.amount, there.currency) != (owner, amount, currency):
        raise Conflict(
            f"This idempotency key was used for {there.id}, which differs. Use a new one for a new payout.",
            code="idempotency_key_reused",
            param="idempotency_key",
        )
    return there
