"""Rating: a usage event times its price is a set of ledger entries. Pure: no clock, no database.

Invariants: the entries sum to zero; each quantity's entry is exactly ``charge(quantity, price, discount)``; the
prompt's tokens are charged once, either as input or as cached input; a quantity that is not used has no entry.
"""

from typing import TypeAlias

from argosy.billing.ledger.accounts import RECEIVABLE, REVENUE, Entry
from argosy.billing.prices import Price
from argosy.billing.usage import UsageEvent
from argosy.core import charge

MEASURED_QUANTITY = "measured"
"""Stands for whichever of `argosy.billing.MEASURED` the event names; on bills and in the ledger it has that name."""
QUANTITIES = ("input", "cached_input", "output", "training", MEASURED_QUANTITY)
"""What is counted and priced, in the order of a bill."""


Five: TypeAlias = tuple[int, int, int, int, int]
"""One number for each of `QUANTITIES`."""
Rated = tuple[UsageEvent, Five, int]
"""An event with its `amounts` and its `saved_amount`."""


def quantities(event: UsageEvent) -> dict[str, int]:
    """Units of each of `QUANTITIES`. An engine that reports more cached tokens than the prompt had is capped."""
    return dict(zip(QUANTITIES, _units(event), strict=True))


def amounts(event: UsageEvent, price: Price) -> Five:
    """What each of `QUANTITIES` costs, in micro-units, less the event's discount, each rounded on its own."""
    fresh, cached, output, training, measured = _units(event)
    off = event.discount
    return (
        charge(fresh, price.input, off) if fresh else 0,
        charge(cached, price.cached_input, off) if cached else 0,
        charge(output, price.output, off) if output else 0,
        charge(training, price.training, off) if training else 0,
        charge(measured, price.of_measured(event.measured), off) if measured else 0,
    )


def saved_amount(event: UsageEvent, price: Price) -> int:
    """What the tokens that a kept answer saved would have cost, in micro-units: rounded as charges are. None of its
    prompt counts as cached input: that a provider might have had some of it at hand is not known.
    """
    if not (event.saved_prompt_tokens or event.saved_completion_tokens):
        return 0
    saved = ((event.saved_prompt_tokens, price.input), (event.saved_completion_tokens, price.output))
    return sum(charge(tokens, unit_price, event.discount) for tokens, unit_price in saved)


def rate(event: UsageEvent, price: Price) -> list[Entry]:
    """The ledger entries of an event: one debit of the project, one credit per quantity that costs something."""
    return entries_of(event, amounts(event, price), price.currency)


def entries_of(event: UsageEvent, charged: Five, currency: str) -> list[Entry]:
    """The same of an event whose `amounts` are known."""
    if not any(charged):
        return []
    id_, project_id, model = event.id, event.project_id, event.model
    entries = [Entry(id_, RECEIVABLE, project_id, sum(charged), currency, model, "", id_)]
    for name, amount in zip(QUANTITIES, charged, strict=True):
        if amount:
            name = quantity_name(name, event.measured)
            entries.append(Entry(id_, REVENUE, project_id, -amount, currency, model, name, id_))
    return entries


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
