"""Rating: a usage event times its price is a set of ledger entries. Pure: no clock, no database.

Invariants: the entries sum to zero; each quantity's entry is exactly ``charge(quantity, price, discount)``; the
prompt's tokens are charged once, either as input or as cached input; a quantity that is not used has no entry.
"""

from dataclasses import dataclass

from argosy.billing.prices import Price
from argosy.billing.usage import UsageEvent
from argosy.core import charge

RECEIVABLE = "receivable"
"""What a project owes and has not been invoiced for. Debits are positive."""
INVOICED = "invoiced"
"""What a project owes by an invoice."""
REVENUE = "revenue"
"""What the platform earned, by model. Credits are negative."""

QUANTITIES = ("input", "cached_input", "output", "training")
"""What is counted and priced, in the order of a bill."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ledger transaction."""

    transaction_id: str
    account: str
    project_id: str
    amount: int
    """Micro-units; positive is a debit, negative a credit."""
    currency: str
    model: str = ""
    quantity: str = ""
    """One of `QUANTITIES` on revenue, else empty."""
    usage_id: str | None = None


def quantities(event: UsageEvent) -> dict[str, int]:
    """Units of each of `QUANTITIES`. An engine that reports more cached tokens than the prompt had is capped."""
    cached = min(event.cached_tokens, event.prompt_tokens)
    counts = (event.prompt_tokens - cached, cached, event.completion_tokens, event.training_tokens)
    return dict(zip(QUANTITIES, counts, strict=True))


def amounts(event: UsageEvent, price: Price) -> dict[str, int]:
    """What each of `QUANTITIES` costs, in micro-units, less the event's discount, each rounded on its own."""
    return {name: charge(units, getattr(price, name), event.discount) for name, units in quantities(event).items()}


def rate(event: UsageEvent, price: Price) -> list[Entry]:
    """The ledger entries of an event: one debit of the project, one credit per quantity that costs something."""
    charged = {name: amount for name, amount in amounts(event, price).items() if amount}
    if not charged:
        return []
    common = (price.currency, event.model)
    debit = Entry(event.id, RECEIVABLE, event.project_id, sum(charged.values()), *common, "", event.id)
    credits_ = [
        Entry(event.id, REVENUE, event.project_id, -amount, *common, name, event.id) for name, amount in charged.items()
    ]
    return [debit, *credits_]
