"""SQL of usage.

Invariants: a usage id is inserted once; nothing is updated.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from argosy.billing.bulk import insert_rows
from argosy.billing.rating import QUANTITIES, Rated
from argosy.billing.tables import usage_events
from argosy.billing.usage import UsageEvent
from argosy.runtime import Transaction

_CAPPED = "cached_tokens"
_SAME = tuple(name for name in UsageEvent.__struct_fields__ if name not in (_CAPPED, "held"))
_USAGE_FIELDS = attrgetter(*_SAME)
_USAGE_COLUMNS = (
    *_SAME,
    _CAPPED,
    *(f"{name}_amount" for name in QUANTITIES),
    "saved_amount",
    "tier",
    "cost_amount",
    "posted",
)


def insert_usage(tx: Transaction, rated: Sequence[Rated], posted: int) -> set[str]:
    """Insert the usage rows, each with its amounts, whose id is new; returns the ids that were. Give them sorted by id,
    so that two never deadlock. ``posted`` is the number that the ledger's next entry has: it is locked already.
    """
    rows = [
        (*_USAGE_FIELDS(event), min(event.cached_tokens, event.prompt_tokens), *four, *others, posted)
        for event, four, *others in rated
    ]
    return {row[0] for row in insert_rows(tx, usage_events.name, _USAGE_COLUMNS, rows, once="id")}


def unit_columns() -> dict[str, Any]:
    """Units of each of `QUANTITIES` of a usage row, as expressions over `usage_events`."""
    used = usage_events.c
    counts = (used.prompt_tokens - used.cached_tokens, used.cached_tokens, used.completion_tokens, used.training_tokens)
    return dict(zip(QUANTITIES, counts, strict=True))
