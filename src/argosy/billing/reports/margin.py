"""What is left of what was earned when the providers are paid, by model."""

from collections.abc import Sequence
from dataclasses import dataclass

from argosy.billing.reports import store
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class Margin:
    """Sums over the usage of one model at one provider, or on engines of ours. Amounts are micro-units."""

    model: str
    provider: str
    """Empty for engines of ours, whose cost is the machine's, and for use whose cost was not known."""
    currency: str
    events: int
    revenue: int
    cost: int

    @property
    def margin(self) -> int:
        """Negative where the provider asks more than we do."""
        return self.revenue - self.cost

    @property
    def percent(self) -> float | None:
        """The margin as a share of the revenue, with two decimals; None without any."""
        return round(self.margin * 10_000 / self.revenue) / 100 if self.revenue else None


def margins(tx: Transaction, project_ids: Sequence[str], start_time: int, end_time: int) -> list[Margin]:
    """By model and provider, of what these projects used in a time in unix seconds; its end is not in it."""
    return [
        Margin(row.model, row.provider or "", row.currency, int(row.events), int(row.revenue), int(row.cost))
        for row in store.revenue_and_cost(tx, project_ids, start_time, end_time)
    ]
