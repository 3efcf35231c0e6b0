"""What an entry is, and the accounts that it can be of."""

from typing import NamedTuple

RECEIVABLE = "receivable"
"""What a project owes and has not been invoiced for. Debits are positive."""
INVOICED = "invoiced"
"""What an organization (the party) owes by invoices. Under a project: what of its use was invoiced, ever; tax, rounding,
payments and credit notes are under no project."""
PREPAID = "prepaid"
"""What customers have paid ahead: owed to them until it is used. Credits are negative."""
CREDITS = "credits"
"""What credits that were given paid for: an expense."""
CASH = "cash"
"""What was paid. Debits are positive."""
TAX = "tax"
"""Tax on invoices, owed to the state. Credits are negative."""
ROUNDING = "rounding"
"""What invoices gained or lost when they were rounded to the currency's smallest unit."""
REVENUE = "revenue"
"""What the platform earned, by model. Credits are negative."""


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
