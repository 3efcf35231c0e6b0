"""What a model's owner gets of what was charged for it, as a rule; and the share of one event.

Pure: no clock, no database. A share has three parts:

- a percentage of what was charged. Tiers are marginal, as tax brackets are: each percentage holds for the part of the
  calendar month's revenue above its threshold. It is rounded down once, over the month's revenue so far, and an event
  gets the difference that it makes; so the parts of a month add up to the percentage of their sum, in whatever order
  and in whatever batches its events are posted, and a part is never above what was charged.
- an amount for each million tokens, rounded as charges are.
- where an event's tokens and the rule's lowest percentage come to less than the rule's minimum for a request: the
  difference. It depends on the event alone, so that it does not matter either which one was posted first.

The last two are owed even if less, or nothing, was charged: they are a price of the owner's own.
"""

from dataclasses import dataclass
from typing import NamedTuple

from argosy.billing.usage import UsageEvent
from argosy.core import charge

WHOLE = 10_000
"""Basis points: hundredths of a percent."""


class Tier(NamedTuple):
    """A percentage for what a month's revenue has above a threshold."""

    above: int
    """Micro-units."""
    basis_points: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of what a model's owner gets. Never changed: a new agreement is a new version."""

    id: str
    """``share_12``: the quantity on the ledger's entries."""
    number: int
    """1, 2, ... over all models."""
    model: str
    """Whose use it is about, and that of its adapters."""
    version: int
    """1, 2, ... per model. From its beginning on it holds instead of all earlier ones."""
    owner: str
    """Who gets it: the party on the ledger's entries."""
    owner_name: str
    currency: str
    basis_points: int
    """Hundredths of a percent of what was charged, up to the first tier."""
    per_million_tokens: int
    """Micro-units, for tokens of prompts, answers and training alike."""
    minimum: int
    """Micro-units for each request that used any token."""
    tiers: tuple[Tier, ...]
    """In rising order."""
    effective_from: int
    """Unix seconds. It holds for what began then or later..."""
    effective_until: int | None
    """...and before this; None until another version begins."""
    note: str
    key_id: str
    """Who set it."""
    created_at: int

    def holds_at(self, second: int) -> bool:
        """Whether it is in force then, if no later version is."""
        return self.effective_from <= second and (self.effective_until is None or second < self.effective_until)


@dataclass(slots=True)
class Month:
    """How far a rule's calendar month has come. Amounts are micro-units."""

    revenue: int = 0
    """What its events cost."""
    share: int = 0
    events: int = 0


def share_of(charged: int, tokens: int, rule: Rule, month_total: int) -> int:
    """What an event adds to the owner's share, in micro-units, never below zero.

    ``charged`` is what it cost, ``month_total`` what the month's earlier events under this rule cost. Raises ValueError
    for a negative number.
    """
    if charged < 0 or month_total < 0:
        raise ValueError("what was charged is never negative")
    of_charge = _percentage(rule, month_total + charged) - _percentage(rule, month_total)
    of_tokens = charge(tokens, rule.per_million_tokens)
    missing = 0
    if tokens and rule.minimum:
        lowest = min(rule.basis_points, *(tier.basis_points for tier in rule.tiers), WHOLE)
        missing = max(0, rule.minimum - of_tokens - charged * lowest // WHOLE)
    return of_charge + of_tokens + missing


def tokens_of(event: UsageEvent) -> int:
    """All tokens of an event."""
    return event.prompt_tokens + event.completion_tokens + event.training_tokens


def rule_for(rules: list[Rule], second: int) -> Rule | None:
    """The one of a model's versions that holds at that time: the latest that has begun, unless it is over."""
    begun = [rule for rule in rules if rule.effective_from <= second]
    latest = max(begun, key=lambda rule: rule.version, default=None)
    return latest if latest is not None and latest.holds_at(second) else None


def highest_percentage(rule: Rule) -> int:
    """In basis points, over all tiers."""
    return max(rule.basis_points, *(tier.basis_points for tier in rule.tiers), 0)


def _percentage(rule: Rule, revenue: int) -> int:
    """Of a month's revenue, in micro-units, rounded down."""
    tiers = (Tier(0, rule.basis_points), *rule.tiers)
    ends = (*(tier.above for tier in rule.tiers), revenue)
    parts = (max(0, min(revenue, end) - tier.above) * tier.basis_points for tier, end in zip(tiers, ends, strict=True))
    return sum(parts) // WHOLE
