"""The ledger: double entry, append-only, in micro-units, each block chained to the one before by a hash."""

from argosy.billing.ledger.accounts import CASH, CREDITS, INVOICED, PREPAID, RECEIVABLE, REVENUE, ROUNDING, TAX, Entry
from argosy.billing.ledger.audit import Verification, verify
from argosy.billing.ledger.store import balance, balances, list_entries, lock, post

__all__ = [
    "CASH",
    "CREDITS",
    "INVOICED",
    "PREPAID",
    "RECEIVABLE",
    "REVENUE",
    "ROUNDING",
    "TAX",
    "Entry",
    "Verification",
    "balance",
    "balances",
    "list_entries",
    "lock",
    "post",
    "verify",
]
