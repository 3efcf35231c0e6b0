"""What an entry is, and the accounts that it can be of.

Debits are positive, credits negative, and each transaction sums to zero, so all accounts together do.

| accounts | tell of | their party |
|---|---|---|
| receivable, invoiced, prepaid, credits, revenue, correction, tax, rounding | what was sold and is owed | a customer |
| provider_cost, provider_payable | what providers ask for it | the provider |
| share_cost, owner_payable | what owners of models get of it | the owner |
| cash | what was paid | who paid or was paid |
"""

from typing import NamedTuple

RECEIVABLE = "receivable"
"""What a project owes and has not been invoiced for. Debits are positive."""
INVOICED = "invoiced"
"""What an organization, the party, owes by invoices. Under a project: what of its use was ever put on one; tax,
rounding, payments and credit notes are under no project."""
REVENUE = "revenue"
"""What the platform earned, by model. Credits are negative."""
PREPAID = "prepaid"
"""What customers paid ahead and have not used yet: a liability, so it grows by credits."""
CASH = "cash"
"""Money that came in by debits, and went out by credits."""
CREDITS = "credits"
"""What granted credits paid for: an expense of the platform's own."""
PROVIDER_COST = "provider_cost"
"""What a provider's answers cost the platform."""
PROVIDER_PAYABLE = "provider_payable"
"""What the platform owes a provider: grows by credits."""
SHARE_COST = "share_cost"
"""What owners of models got of what was charged."""
OWNER_PAYABLE = "owner_payable"
"""What the platform owes a model's owner: grows by credits. Its quantity is the rule that fixed the share."""
TAX = "tax"
"""Tax that was charged and is owed to an authority: grows by credits."""
ROUNDING = "rounding"
"""What invoices lose or gain by being rounded to the currency's smallest coin."""
CORRECTION = "correction"
"""What was charged and given back, also by credit notes: beside revenue, which stays what all usage cost."""

ACCOUNTS = (
    RECEIVABLE,
    INVOICED,
    PREPAID,
    CASH,
    REVENUE,
    CORRECTION,
    CREDITS,
    TAX,
    ROUNDING,
    PROVIDER_COST,
    PROVIDER_PAYABLE,
    SHARE_COST,
    OWNER_PAYABLE,
)
"""All of them, in the order of a trial balance."""


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
    """One of `QUANTITIES` on revenue, the rule's id on a share; else empty, or what tells two entries apart."""
    usage_id: str | None = None
    party: str = ""
    """Who else it is about: an organization, a model's owner, a provider. Empty if the project is all."""
