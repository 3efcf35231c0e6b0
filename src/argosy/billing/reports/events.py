"""Single usage events as anyone may check them: counts, unit prices, amounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.billing.prices import measured_of, tier_rates
from argosy.billing.rating import MEASURED_QUANTITY, QUANTITIES
from argosy.billing.reports import store
from argosy.core import NotFound
from argosy.runtime import Transaction


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; None means all. Times are unix seconds at which they finished."""

    start_time: int | None = None
    end_time: int | None = None
    model: str | None = None
    invoice_id: str | None = None


@dataclass(frozen=True)
class EventLine:
    """A usage event with what was charged for it. Amounts are micro-units, unit prices micro-units per million."""

    id: str
    project_id: str
    key_id: str | None
    kind: str
    model: str
    base_model: str
    outcome: str
    estimated: bool
    route: str
    attempts: int
    saved_prompt_tokens: int
    saved_completion_tokens: int
    saved_amount: int
    """What those would have cost; no part of the total."""
    started_us: int
    finished_us: int
    price_version: str
    discount: int
    """Percent off the unit prices."""
    tier: int
    """The tier whose rates the unit prices are, by the tokens of prompt above which it holds; 0 for none."""
    batch_id: str | None
    target: str
    model_version: str
    first_token_us: int
    reasoning_tokens: int
    tags: str
    """The caller's ``metadata``, as JSON; empty without."""
    measured: str
    currency: str
    invoice_id: str | None
    units: Mapping[str, int]
    unit_prices: Mapping[str, int]
    amounts: Mapping[str, int]

    @property
    def total(self) -> int:
        """What the event costs in all, in micro-units."""
        return sum(self.amounts.values())


_PLAIN = [name for name in EventLine.__dataclass_fields__ if name not in ("units", "unit_prices", "amounts")]


def list_events(
    tx: Transaction,
    project_id: str,
    wanted: EventFilter,
    *,
    after: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[EventLine]:
    """The project's events by the time at which they finished, from beyond the event with the id ``after`` on."""
    return [_line(row) for row in store.select_events(tx, project_id, wanted, after, limit, newest_first)]


def get_event(tx: Transaction, project_id: str, event_id: str) -> EventLine:
    """One event of the project. Raises NotFound."""
    row = store.select_event(tx, project_id, event_id)
    if row is None:
        raise NotFound(f"There is no usage event '{event_id}' in this project.", code="usage_event_not_found")
    return _line(row)


def _line(row: Any) -> EventLine:
    return EventLine(
        **{name: getattr(row, name) for name in _PLAIN},
        units={name: getattr(row, f"{name}_units") for name in QUANTITIES},
        unit_prices={name: _unit_price(row, name) for name in QUANTITIES} | tier_rates(row.tiers, row.tier),
        amounts={name: getattr(row, f"{name}_amount") for name in QUANTITIES},
    )


def _unit_price(row: Any, quantity: str) -> int:
    price = getattr(row, f"{quantity}_price")
    return measured_of(price).get(row.measured, 0) if quantity == MEASURED_QUANTITY else price
