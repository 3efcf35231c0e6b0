"""Cost figures of some usage: in all, for a thousand answers, for 60,000 characters. Pure, and integers throughout.

Characters are derived from tokens: so many for each, 1.6 unless the reader says otherwise, which is about what Chinese
takes with the tokenizers of today. English has about four, so that its true cost for 60,000 characters is lower.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from argosy.billing.rating import MEASURED_QUANTITY
from argosy.billing.reports import Totals

CHARACTERS = 60_000
"""The unit in which costs are compared."""
CHARACTERS_PER_TOKEN_PERCENT = 160
"""Characters that a token is taken to have, in hundredths."""
_THOUSAND = 1_000
_PERCENT = 100


@dataclass(frozen=True)
class Figures:
    """Amounts are micro-units. None: there is nothing to divide by."""

    cost: int
    requests: int
    answered: int
    """Those that got their whole answer."""
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    measured_units: int
    saved: int
    """What kept answers saved."""
    saved_tokens: int
    characters: int
    """Of questions and answers, derived from their tokens."""
    request_cost: int
    """What requests cost, without training, storage and the time of engines: what the last two are about."""
    cost_per_60k_characters: int | None
    cost_per_thousand_answers: int | None


def figures_of(found: Iterable[Totals], requests: Iterable[Totals], per_token: int) -> Figures:
    """``found``: all usage; ``requests``: that of requests alone; ``per_token``: hundredths of a character."""
    everything, asked = list(found), list(requests)
    request_cost = sum(totals.cost for totals in asked)
    characters = sum(totals.request_tokens for totals in asked) * per_token // _PERCENT
    answered = sum(totals.answered for totals in asked)
    return Figures(
        cost=sum(totals.cost for totals in everything),
        requests=sum(totals.requests for totals in asked),
        answered=answered,
        input_tokens=sum(totals.units["input"] + totals.units["cached_input"] for totals in everything),
        output_tokens=sum(totals.units["output"] for totals in everything),
        reasoning_tokens=sum(totals.reasoning_tokens for totals in everything),
        measured_units=sum(totals.units[MEASURED_QUANTITY] for totals in everything),
        saved=sum(totals.saved["amount"] for totals in everything),
        saved_tokens=sum(totals.saved["prompt_tokens"] + totals.saved["completion_tokens"] for totals in everything),
        characters=characters,
        request_cost=request_cost,
        cost_per_60k_characters=_divided(request_cost * CHARACTERS, characters),
        cost_per_thousand_answers=_divided(request_cost * _THOUSAND, answered),
    )


def _divided(amount: int, by: int) -> int | None:
    """Rounded half up."""
    return (2 * amount + by) // (2 * by) if by else None
