"""Whether the books agree, for Prometheus."""

import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.billing.reconciliation import sum_of_differences
from argosy.core import now
from argosy.runtime import Database, is_outage

_BACK_S = 7 * 86_400
_EVERY_S = 15.0


class BookMetrics(Collector):
    """Read from the database, now and then; not shown while nothing was compared yet or it is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at = float("-inf")
        self._difference: int | None = None

    def collect(self) -> Iterator[Metric]:
        """All families."""
        if time.monotonic() - self._read_at >= _EVERY_S:
            self._read_at, self._difference = time.monotonic(), self._read()
        if self._difference is not None:
            told = "Micro-units by which usage rows, ledger and prices are apart over the last seven days; zero."
            yield GaugeMetricFamily("argosy_reconciliation_difference", told, value=self._difference)

    def _read(self) -> int | None:
        try:
            with self._database.read() as tx:
                return sum_of_differences(tx, now() - _BACK_S)
        except Exception as error:
            if not is_outage(error):
                raise
            return None
