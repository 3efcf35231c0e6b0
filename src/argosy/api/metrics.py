"""What a Prometheus server may scrape. The data plane only adds to plain numbers and two ready-made children."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.api.gateway_metrics import GatewayMetrics
from argosy.gateway import Gateway

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics(Collector):
    """The numbers of one API process."""

    def __init__(self, gateway: Gateway) -> None:
        self.in_flight = 0
        """Completions being served now."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "argosy_requests",
            "Requests by path and status; 499: the client left.",
            ["method", "path", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "argosy_request_seconds",
            "From the request to the end of its response.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._registry.register(self)
        self._registry.register(GatewayMetrics(gateway))

    def observe(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one response. ``path`` is a route's template, so that there are only so many."""
        children = self._children.get((method, path, status))
        if children is None:
            children = self._requests.labels(method, path, str(status)), self._seconds.labels(path)
            self._children[method, path, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is kept as a plain number here; the gateway's own are in `gateway_metrics`."""
        yield GaugeMetricFamily("argosy_requests_in_flight", "Completions being served now.", value=self.in_flight)
