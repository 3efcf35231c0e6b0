"""The bill, checked by the customer: the usage in every response, times the published prices, against the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from argosy.core import charge


@dataclass(frozen=True)
class Prices:
    """Published prices, in micro-units per million tokens."""

    currency: str
    input: int
    cached_input: int
    output: int
    training: int


@dataclass(frozen=True)
class Used:
    """What one response, or one finished job, said it used. ``prompt`` includes ``cached``."""

    id: str
    model: str
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    training: int = 0

    def amount(self, prices: Prices) -> int:
        """Micro-units: each quantity rounded once, cached tokens at their own price."""
        return (
            charge(self.prompt - self.cached, prices.input)
            + charge(self.cached, prices.cached_input)
            + charge(self.completion, prices.output)
            + charge(self.training, prices.training)
        )


@dataclass
class Line:
    """All use of one model."""

    model: str
    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    training: int = 0
    expected: int = 0
    posted: int = 0


@dataclass
class Bill:
    """Both sides of the check, in micro-units."""

    currency: str
    expected: int
    """Recomputed here, from what the responses reported."""
    posted: int
    """What the platform's ledger charged in the same time."""
    lines: list[Line]
    differing: list[dict[str, Any]] = field(default_factory=list)
    """Every id whose two amounts differ, on either side."""
    prices: Prices | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    """A few of the platform's usage rows, to be shown."""
    invoice: dict[str, Any] | None = None
    owed_before: int = 0
    """What was owed before the story and is on the invoice, too; 0 in a home of its own."""

    @property
    def adds_up(self) -> bool:
        """True to the micro-unit, for each single request and not only for the sum; an empty bill does not."""
        invoiced = self.invoice is None or self.invoice["total"] == self.posted + self.owed_before
        return self.expected == self.posted and not self.differing and bool(self.lines) and invoiced


def check(used: Iterable[Used], posted: Mapping[str, int], prices: Prices) -> Bill:
    """Compare, id by id. ``posted``: what the ledger charged per request or job since the story began, others' too."""
    lines, differing, expected = dict[str, Line](), list[dict[str, Any]](), dict[str, int]()
    for one in used:
        amount = one.amount(prices)
        expected[one.id] = expected.get(one.id, 0) + amount
        line = lines.setdefault(one.model, Line(one.model))
        line.requests += one.training == 0
        line.prompt, line.cached = line.prompt + one.prompt, line.cached + one.cached
        line.completion, line.training = line.completion + one.completion, line.training + one.training
        line.expected, line.posted = line.expected + amount, line.posted + posted.get(one.id, 0)
    for name in sorted(expected.keys() | posted.keys()):
        # What costs nothing is not posted, so a missing amount and 0 are the same.
        if expected.get(name, 0) != posted.get(name, 0):
            differing.append({"id": name, "expected": expected.get(name), "posted": posted.get(name)})
    return Bill(prices.currency, sum(expected.values()), sum(posted.values()), list(lines.values()), differing, prices)


def document(bill: Bill) -> dict[str, Any]:
    """For report.json."""
    return {
        "currency": bill.currency,
        "unit": "one millionth of the currency's unit",
        "expected": bill.expected,
        "posted": bill.posted,
        "adds_up": bill.adds_up,
        "lines": [vars(line) for line in bill.lines],
        "differing": bill.differing,
        "prices_per_million_tokens": vars(bill.prices) if bill.prices else None,
        "usage_rows": bill.rows,
        "invoice": bill.invoice,
        "owed_before": bill.owed_before,
    }
