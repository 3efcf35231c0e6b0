"""What an entry is, and the accounts that it can be of."""

from typing import NamedTuple

RECEIVABLE = "receivable"
"""What a project owes and has not been invoiced for. Debits are positive."""
INVOICED = "invoiced"
"""What a project owes by an invoice."""
REVENUE = "revenue"
"""What the platform earned, by model. Credits are negative."""
PROVIDER_COST = "provider_cost"
"""What use of a provider's model cost the platform, by model and provider."""
PROVIDER_PAYABLE = "provider_payable"
"""What a provider is owed for it."""


class Entry(NamedTuple):
    """One line of a ledger transaction."""

    transaction_id: str
    account: str
    project_id: str
    """Empty where it is no single project's."""
    amount: int
    """Micro-units; positive is a debit, negative a credit."""
    currency: str
    model: str = ""
    quantity: str = ""
    """One of `QUANTITIES` on revenue; else empty, or what tells two entries of one account apart."""
    usage_id: str | None = None
    party: str = ""
    """Who else it is about: an organization, a model's owner, a provider. Empty if the project is all."""
