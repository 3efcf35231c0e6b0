"""A histogram that costs one bisection a value, with buckets fine enough to read percentiles from."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

SECONDS = tuple(
    round(step * 10.0**power, 6) for power in range(-4, 3) for step in (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8)
)
"""From 0.1 ms to 800 s, ten to a decade: a percentile is off by an eighth at most."""
TOKENS_PER_S = tuple(round(step * 10.0**power, 6) for power in range(4) for step in (1, 1.6, 2.5, 4, 6.3))
"""From 1 to 6300."""


class Histogram:
    """Counts of values up to each edge; the last count is of those above all edges."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float] = SECONDS) -> None:
        self.edges, self.counts, self.total = edges, [0] * (len(edges) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def add(self, other: "Histogram") -> None:
        """Count all that another with the same edges has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def cumulative(self, every: int = 1) -> Sequence[tuple[str, float]]:
        """Prometheus's buckets: each ``every``-th edge as text with how many values are up to it, and ``+Inf``."""
        sums = list(accumulate(self.counts))
        return [(repr(edge), sums[i]) for i, edge in enumerate(self.edges) if i % every == 0] + [("+Inf", sums[-1])]


def quantile(edges: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value below which ``share`` of the counted lie, interpolated within its bucket; None of nothing."""
    wanted, below = share * sum(counts), 0
    if not wanted:
        return None
    for i, count in enumerate(counts):
        if count and below + count >= wanted:
            if i == len(edges):
                return edges[-1]
            low = edges[i - 1] if i else 0.0
            return low + (edges[i] - low) * (wanted - below) / count
        below += count
    return edges[-1]
