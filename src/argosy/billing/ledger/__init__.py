"""The ledger: double entry, append-only, in micro-units, each block chained to the one before by a hash."""

from argosy.billing.ledger.accounts import INVOICED, PROVIDER_COST, PROVIDER_PAYABLE, RECEIVABLE, REVENUE, Entry
from argosy.billing.ledger.audit import Verification, verify
from argosy.billing.ledger.store import balance, balances, list_entries, lock, post

__all__ = [
    "INVOICED",
    "PROVIDER_COST",
    "PROVIDER_PAYABLE",
    "RECEIVABLE",
    "REVENUE",
    "Entry",
    "Verification",
    "balance",
    "balances",
    "list_entries",
    "lock",
    "post",
    "verify",
]
