"""What an owner earned and got in a period.

Invariants: opening, shares, corrections and payouts add up to closing, and closing is what the ledger says is owed;
one period's closing is the next one's opening. A period is made of what was posted in it: usage of its last seconds may
be on the next statement, as it may be on the next invoice, but what was on a statement stays there.
"""

import time
from calendar import timegm
from dataclasses import dataclass

from argosy.billing.shares import store
from argosy.billing.shares.payouts import require_owner
from argosy.core import Invalid, now
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class Earned:
    """What one model's use came to under one rule. Amounts are micro-units."""

    model: str
    """The one that was asked: the rule's own or an adapter of it."""
    rule: str
    rule_model: str
    version: int
    events: int
    """Those that were charged, or earned a share all the same."""
    tokens: int
    revenue: int
    """What was charged for them, whether money, credits or nothing yet has paid it."""
    share: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Shares of what was given back to customers."""

    model: str
    rule: str
    version: int
    corrections: int
    share: int
    """Micro-units, below zero."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A payout, or what took one back."""

    id: str
    created_at: int
    amount: int
    """Micro-units: what it adds to what is owed, so a payout is below zero."""
    note: str


@dataclass(frozen=True, slots=True)
class Statement:
    """An owner's period. Times are unix seconds: ``period_start`` is in it, ``period_end`` is not."""

    owner: str
    owner_name: str
    currency: str
    period_start: int
    period_end: int
    opening: int
    """What was owed before, in micro-units."""
    closing: int
    """What is owed at its end."""
    earned: tuple[Earned, ...]
    taken_back: tuple[TakenBack, ...]
    movements: tuple[Movement, ...]

    @property
    def share(self) -> int:
        """All that was earned."""
        return sum(line.share for line in self.earned)


def state(tx: Transaction, owner: str, start: int, end: int, currency: str | None = None) -> Statement:
    """The statement of a period, in the owner's only currency if none is named. Raises NotFound, Invalid."""
    name = require_owner(tx, owner)
    if not 0 <= start < end:
        raise Invalid("A period begins before it ends.", code="invalid_time_range", param="end_time")
    currency = currency or _only_currency(tx, owner)
    first = store.first_entry_since(tx, owner, currency, start)
    before = store.first_entry_since(tx, owner, currency, end)
    opening = store.payable(tx, owner, currency, first)
    lines = [] if first is None else store.earned(tx, owner, currency, first, before)
    others = [] if first is None else store.other_movements(tx, owner, currency, first, before)
    earned = tuple(
        Earned(
            row.model, row.quantity, row.rule_model, row.version,
            int(row.events), int(row.tokens), int(row.revenue), int(row.share),
        )
        for row in lines if not row.taken_back
    )  # fmt: skip
    taken_back = tuple(
        TakenBack(row.model, row.quantity, row.version, int(row.events), int(row.share))
        for row in lines
        if row.taken_back
    )
    movements = tuple(Movement(row.transaction_id, row.created_at, int(row.amount), row.note or "") for row in others)
    closing = store.payable(tx, owner, currency, before)
    return Statement(owner, name, currency, start, end, opening, closing, earned, taken_back, movements)


def month_period(month: str | None) -> tuple[int, int]:
    """Beginning and end of a month such as ``2026-11``, by default the present one, in unix seconds. Raises Invalid."""
    try:
        begin = time.strptime(month, "%Y-%m") if month else time.gmtime(now())
    except ValueError:
        raise Invalid("A month is written like 2026-11.", code="invalid_month", param="month") from None
    year, number = begin.tm_year, begin.tm_mon
    first = (year, number, 1, 0, 0, 0)
    return timegm(first), timegm((year + number // 12, number % 12 + 1, 1, 0, 0, 0))


def _only_currency(tx: Transaction, owner: str) -> str:
    booked = {row.currency for row in store.payables(tx) if row.owner == owner}
    agreed = {rule.currency for rules in store.rules_of(tx, None).values() for rule in rules if rule.owner == owner}
    found = sorted(booked or agreed)
    if len(found) != 1:
        raise Invalid(f"Say in which currency: one of {', '.join(found)}.", code="currency_needed", param="currency")
    return str(found[0])
