"""What the engines themselves have counted, beside what the usage rows say.

An engine counts what it computed; a row says what is charged. They differ for known reasons, so that this is told and
not added to the difference: an engine's prompt tokens leave out what was in its cache, as our ``input`` does; it counts
test questions at its start, what it computed for callers who had left, and what was asked for twice; it forgets what it
counted between the last look and its death. A row without an engine behind it (a kept answer, a provider's) is no
engine's. So much more in the rows than in the engine is what should never be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from argosy.billing.reconciliation import store
from argosy.billing.reconciliation.hours import HOUR
from argosy.core import now
from argosy.runtime import Transaction


@dataclass(frozen=True)
class EngineCount:
    """What one engine process has counted since it started."""

    replica_id: str
    model: str
    """The base model that it serves."""
    prompt_tokens: int
    """Tokens of prompts that it read; those in its cache are not among them."""
    completion_tokens: int


@dataclass(frozen=True)
class EngineHour:
    """What all engines of a model counted in one hour."""

    hour: int
    model: str
    prompt_tokens: int
    completion_tokens: int


def note_engine_counts(tx: Transaction, counts: Sequence[EngineCount], at: int | None = None) -> None:
    """Keep what was just seen."""
    hour = (now() if at is None else at) // HOUR * HOUR
    for one in counts:
        store.put_engine_count(tx, one.replica_id, hour, one.model, one.prompt_tokens, one.completion_tokens)


def engine_hours(tx: Transaction, since: int) -> list[EngineHour]:
    """Tokens by hour and model, for the hours since then, in order."""
    sums: dict[tuple[int, str], list[int]] = {}
    rows = [None, *store.select_engine_counts(tx)]
    for before, row in pairwise(rows):
        if row is None or row.hour < since // HOUR * HOUR:
            continue
        same = before is not None and before.replica_id == row.replica_id
        found = sums.setdefault((row.hour, row.model), [0, 0])
        found[0] += row.prompt_tokens - (before.prompt_tokens if same and before else 0)
        found[1] += row.completion_tokens - (before.completion_tokens if same and before else 0)
    return [EngineHour(hour, model, *counts) for (hour, model), counts in sorted(sums.items())]
