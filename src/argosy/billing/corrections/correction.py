"""What a correction is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correction:
    """A transaction of the ledger that was taken back, in whole or in part."""

    id: str
    """Also of the ledger's transaction that does it."""
    transaction_id: str
    """What is taken back: a usage event or a payout."""
    amount: int
    """Micro-units of it: of what a customer was charged, or of what an owner was paid."""
    currency: str
    reason: str
    idempotency_key: str
    key_id: str
    created_at: int
    posted: int
    """The number of its posting, which says on which invoice it is."""
