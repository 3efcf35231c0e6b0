"""The ledger: double entry, append-only, in micro-units, each block chained to the one before by a hash."""

from argosy.billing.ledger.accounts import (
    ACCOUNTS,
    CASH,
    CORRECTION,
    INVOICED,
    OWNER_PAYABLE,
    PROVIDER_COST,
    PROVIDER_PAYABLE,
    RECEIVABLE,
    REVENUE,
    SHARE_COST,
    Entry,
)
from argosy.billing.ledger.audit import Verification, verify
from argosy.billing.ledger.store import balance, balances, list_entries, lock, post

__all__ = [
    "ACCOUNTS",
    "CASH",
    "CORRECTION",
    "INVOICED",
    "OWNER_PAYABLE",
    "PROVIDER_COST",
    "PROVIDER_PAYABLE",
    "RECEIVABLE",
    "REVENUE",
    "SHARE_COST",
    "Entry",
    "Verification",
    "balance",
    "balances",
    "list_entries",
    "lock",
    "post",
    "verify",
]
