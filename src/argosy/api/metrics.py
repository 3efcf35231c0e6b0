"""What a Prometheus server may scrape. The data plane only adds to plain numbers."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.api.gateway_metrics import GatewayMetrics
from argosy.core.histogram import Histogram
from argosy.gateway import Gateway

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics(Collector):
    """The numbers of one API process."""

    def __init__(self, gateway: Gateway) -> None:
        self.in_flight = 0
        """Completions being served now."""
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._registry.register(GatewayMetrics(gateway))

    def add(self, collector: Collector) -> None:
        """Show these, too."""
        self._registry.register(collector)

    def observe(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one response. ``path`` is a route's template, so that there are only so many."""
        self._requests[method, path, status] += 1
        found = self._seconds.get(path)
        (found or self._seconds.setdefault(path, Histogram(_SECONDS))).observe(seconds)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is kept as a plain number here; the gateway's own are in `gateway_metrics`."""
        requests = CounterMetricFamily(
            "argosy_requests",
            "Requests by path and status; 499: the client left.",
            labels=["method", "path", "status"],
        )
        for (method, path, status), count in list(self._requests.items()):
            requests.add_metric([method, path, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "argosy_request_seconds", "From the request to the end of its response.", labels=["path"]
        )
        for path, histogram in list(self._seconds.items()):
            seconds.add_metric([path], histogram.cumulative(), histogram.total)
        yield seconds
        yield GaugeMetricFamily("argosy_requests_in_flight", "Completions being served now.", value=self.in_flight)
