"""Sums of usage on their way to an invoice's lines and shares. Pure.

Invariant: for each project, the lines' amounts, less what credits and money paid ahead covered, are what is owed, and
that is what its ledger entries say.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from argosy.billing.invoices.records import CORRECTED, InvoiceLine, ProjectShare
from argosy.billing.ledger import CORRECTION, CREDITS, PREPAID
from argosy.billing.prices import Price
from argosy.billing.rating import MEASURED_QUANTITY, QUANTITIES, quantity_name

_ORDER = {name: place for place, name in enumerate((*QUANTITIES, CORRECTED))}


class _Key(NamedTuple):
    """What makes a line."""

    project_id: str
    model: str
    price_version: str
    tier: int
    discount: int
    quantity: str


class Sums:
    """Adds up rows of `store.totals`, `store.corrections` and `store.covered`."""

    def __init__(self) -> None:
        self.any_fund = False
        """Whether anything was paid ahead, so that `add_payers` is needed."""
        self._units: Counter[_Key] = Counter()
        self._amounts: Counter[_Key] = Counter()
        self._events: Counter[str] = Counter()
        self._totals: dict[str, int] = {}
        self._paid: Counter[tuple[str, str]] = Counter()

    @property
    def price_versions(self) -> set[str]:
        """The prices that are needed for `lines`."""
        return {key.price_version for key in self._amounts}

    def add(self, rows: Iterable[Any]) -> None:
        """Rows of `store.totals`."""
        for row in rows:
            self.any_fund |= bool(row.has_fund)
            self._events[row.project_id] += int(row.events)
            self._totals.setdefault(row.project_id, 0)
            for name in QUANTITIES:
                units, amount = int(getattr(row, f"{name}_units")), int(getattr(row, f"{name}_amount"))
                if units or amount:
                    quantity = quantity_name(name, row.measured)
                    pinned = (row.price_version, int(row.tier), int(row.discount), quantity)
                    self._put(_Key(row.project_id, row.model, *pinned), units, amount)

    def add_corrections(self, rows: Iterable[Any]) -> None:
        """Rows of `store.corrections`: what was given back, and what of it went back to credits or a balance."""
        for row in rows:
            if row.account == CORRECTION:
                key = _Key(row.project_id, row.model, row.price_version, 0, 0, CORRECTED)
                self._put(key, int(row.corrections), -int(row.amount))
            else:
                self._paid[row.project_id, row.account] += int(row.amount)

    def add_payers(self, rows: Iterable[Any]) -> None:
        """Rows of `store.covered`."""
        for row in rows:
            self._paid[row.project_id, row.account] += int(row.amount)

    def lines(self, names: Mapping[str, str], prices: Mapping[str, Price]) -> tuple[InvoiceLine, ...]:
        """The lines, in the order of projects' names, models, prices and quantities."""

        def place(key: _Key) -> tuple[Any, ...]:
            version = prices[key.price_version].version
            quantity = _ORDER.get(key.quantity, _ORDER[MEASURED_QUANTITY]), key.quantity
            return names[key.project_id], key[:2], version, key.tier, key.discount, quantity

        return tuple(
            InvoiceLine(
                project_id=key.project_id,
                project_name=names[key.project_id],
                model=key.model,
                quantity=key.quantity,
                price_version=key.price_version,
                units=self._units[key],
                unit_price=_unit_price(prices[key.price_version], key),
                amount=self._amounts[key],
                discount=key.discount,
                tier=key.tier,
            )
            for key in sorted(self._amounts, key=place)
        )

    def shares(self, names: Mapping[str, str]) -> tuple[ProjectShare, ...]:
        """What is each project's, in the order of their names."""
        return tuple(
            ProjectShare(
                project_id=project,
                project_name=names[project],
                event_count=self._events[project],
                total=self._totals[project],
                covered_credits=self._paid[project, CREDITS],
                covered_prepaid=self._paid[project, PREPAID],
            )
            for project in sorted(self._totals, key=lambda project: (names[project], project))
        )

    def _put(self, key: _Key, units: int, amount: int) -> None:
        self._units[key] += units
        self._amounts[key] += amount
        self._totals[key.project_id] = self._totals.get(key.project_id, 0) + amount


def _unit_price(price: Price, key: _Key) -> int:
    """Micro-units per million units; 0 for what was given back."""
    if key.quantity == CORRECTED:
        return 0
    if key.quantity not in _ORDER:
        return price.measured.get(key.quantity, 0)
    rates = price if key.quantity == "training" else price.rates(key.tier)  # training has no tiers
    return int(getattr(rates, key.quantity))
