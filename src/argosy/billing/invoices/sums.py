"""Sums of usage on their way to an invoice's lines and shares. Pure.

Invariant: for each project, the lines' amounts, less what credits and money paid ahead covered, are what is owed, and that
is what its ledger entries say.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from argosy.billing.invoices.records import InvoiceLine, ProjectShare
from argosy.billing.ledger import CREDITS, PREPAID
from argosy.billing.prices import Price
from argosy.billing.rating import QUANTITIES


class Sums:
    """Adds up rows of `store.totals` and `store.covered`."""

    def __init__(self) -> None:
        self.any_fund = False
        """Whether anything was paid ahead, so that `add_payers` is needed."""
        self.credits = self.prepaid = 0
        """Micro-units that were paid by them."""
        self._lines: dict[tuple[str, str, str, int, str], list[int]] = {}
        self._events: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._paid: dict[str, int] = {}

    @property
    def price_versions(self) -> set[str]:
        """The prices that are needed for `lines`."""
        return {key[2] for key in self._lines}

    def add(self, rows: Iterable[Any]) -> None:
        """Rows of `store.totals`."""
        for row in rows:
            project = row.project_id
            self.any_fund |= bool(row.has_fund)
            self._events[project] = self._events.get(project, 0) + int(row.events)
            self._totals.setdefault(project, 0)
            for name in QUANTITIES:
                units, amount = int(getattr(row, f"{name}_units")), int(getattr(row, f"{name}_amount"))
                if units or amount:
                    key = (project, row.model, row.price_version, int(row.discount), name)
                    line = self._lines.setdefault(key, [0, 0])
                    line[0] += units
                    line[1] += amount
                    self._totals[project] += amount

    def add_payers(self, rows: Iterable[Any]) -> None:
        """Rows of `store.covered`."""
        for row in rows:
            amount = int(row.amount)
            self.credits += amount if row.account == CREDITS else 0
            self.prepaid += amount if row.account == PREPAID else 0
            if row.account in (CREDITS, PREPAID):
                self._paid[row.project_id] = self._paid.get(row.project_id, 0) + amount

    def lines(self, names: Mapping[str, str], prices: Mapping[str, Price]) -> tuple[InvoiceLine, ...]:
        """The lines, in the order of projects' names, models, prices and quantities."""

        def place(key: tuple[str, str, str, int, str]) -> tuple[Any, ...]:
            project, model, version, discount, name = key
            return names[project], project, model, prices[version].version, discount, QUANTITIES.index(name)

        return tuple(
            InvoiceLine(
                project_id=project,
                project_name=names[project],
                model=model,
                quantity=name,
                price_version=version,
                units=self._lines[key][0],
                unit_price=getattr(prices[version], name),
                amount=self._lines[key][1],
                discount=discount,
            )
            for key in sorted(self._lines, key=place)
            for project, model, version, discount, name in (key,)
        )

    def shares(self, names: Mapping[str, str]) -> tuple[ProjectShare, ...]:
        """What is each project's, in the order of their names."""
        return tuple(
            ProjectShare(project, names[project], count, total, total - self._paid.get(project, 0))
            for project, count in sorted(self._events.items(), key=lambda item: (names[item[0]], item[0]))
            for total in (self._totals[project],)
        )
