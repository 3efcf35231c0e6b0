"""Rating: a usage event times its price is a set of ledger entries. Pure: no clock, no database.

Invariants: the entries sum to zero; each quantity's entry is exactly ``charge(quantity, price, discount)``; the
prompt's tokens are charged once, either as input or as cached input; a quantity that is not used has no entry.
"""

from collections.abc import Sequence
from typing import TypeAlias

from argosy.billing.ledger.accounts import PROVIDER_COST, PROVIDER_PAYABLE, RECEIVABLE, REVENUE, Entry
from argosy.billing.prices import Price
from argosy.billing.usage import UsageEvent
from argosy.core import charge

MEASURED_QUANTITY = "measured"
"""Stands for whichever of `argosy.billing.MEASURED` the event names; on bills and in the ledger it has that name."""
QUANTITIES = ("input", "cached_input", "output", "training", MEASURED_QUANTITY)
"""What is counted and priced, in the order of a bill."""


Five: TypeAlias = tuple[int, int, int, int, int]
"""One number for each of `QUANTITIES`."""
Rated = tuple[UsageEvent, Five, int, int, int]
"""An event with its `amounts`, its `saved_amount`, its `tier` and its `cost_amount`."""


def quantities(event: UsageEvent) -> dict[str, int]:
    """Units of each of `QUANTITIES`. An engine that reports more cached tokens than the prompt had is capped."""
    return dict(zip(QUANTITIES, _units(event), strict=True))


def amounts(event: UsageEvent, price: Price) -> Five:
    """What each of `QUANTITIES` costs, in micro-units, less the event's discount, each rounded on its own."""
    return _amounts(event, price, event.discount)


def _amounts(event: UsageEvent, price: Price, off: int) -> Five:
    fresh, cached, output, training, measured = _units(event)
    rates = price.rates(tier(event, price)) if price.tiers else price
    return (
        charge(fresh, rates.input, off) if fresh else 0,
        charge(cached, rates.cached_input, off) if cached else 0,
        charge(output, rates.output, off) if output else 0,
        charge(training, price.training, off) if training else 0,
        charge(measured, price.measured.get(event.measured, 0), off) if measured else 0,
    )


def tier(event: UsageEvent, price: Price) -> int:
    """The tier whose rates the whole event has, see `Price.tier`: by the prompt as it was asked, kept or not."""
    return price.tier(event.prompt_tokens + event.saved_prompt_tokens) if price.tiers else 0


def cost_amount(event: UsageEvent, cost: Price | None) -> int:
    """What the provider is owed for an event, in micro-units: the same units at its own rates and tiers, whatever was
    asked of the customer for them.
    """
    return sum(_amounts(event, cost, 0)) if cost else 0


def saved_amount(event: UsageEvent, price: Price) -> int:
    """What the tokens that a kept answer saved would have cost, in micro-units: rounded as charges are. None of its
    prompt counts as cached input: that a provider might have had some of it at hand is not known.
    """
    if not (event.saved_prompt_tokens or event.saved_completion_tokens):
        return 0
    rates = price.rates(tier(event, price)) if price.tiers else price
    saved = ((event.saved_prompt_tokens, rates.input), (event.saved_completion_tokens, rates.output))
    return sum(charge(tokens, unit_price, event.discount) for tokens, unit_price in saved)


def rate(event: UsageEvent, price: Price) -> list[Entry]:
    """The ledger entries of an event: one debit of the project, one credit per quantity that costs something."""
    return entries_of(event, amounts(event, price), price.currency)


def entries_of(event: UsageEvent, charged: Five, currency: str, paid: Sequence[Entry] = ()) -> list[Entry]:
    """The same of an event whose `amounts` are known. ``paid`` are debits of credits that paid for some of it: the
    project owes the rest.
    """
    if not any(charged):
        return []
    id_, project_id, model = event.id, event.project_id, event.model
    entries = list(paid)
    if owed := sum(charged) - sum(entry.amount for entry in paid):
        entries.append(Entry(id_, RECEIVABLE, project_id, owed, currency, model, "", id_))
    for name, amount in zip(QUANTITIES, charged, strict=True):
        if amount:
            name = quantity_name(name, event.measured)
            entries.append(Entry(id_, REVENUE, project_id, -amount, currency, model, name, id_))
    return entries


def cost_entries(event: UsageEvent, cost: Price | None, amount: int) -> list[Entry]:
    """The entries of what the provider is owed: of no project, since no customer is to see them."""
    if cost is None or not amount:
        return []
    id_, model, provider = event.id, event.model, cost.provider
    return [
        Entry(id_, account, "", owed, cost.currency, model, "", id_, provider)
        for account, owed in ((PROVIDER_COST, amount), (PROVIDER_PAYABLE, -amount))
    ]


def quantity_name(quantity: str, measured: str) -> str:
    """What one of `QUANTITIES` is called on a bill."""
    return measured if quantity == MEASURED_QUANTITY else quantity


def _units(event: UsageEvent) -> Five:
    cached = min(event.cached_tokens, event.prompt_tokens)
    return (
        event.prompt_tokens - cached,
        cached,
        event.completion_tokens,
        event.training_tokens,
        event.measured_units,
    )
