"""What a Prometheus server may scrape. The data plane only adds to plain numbers and two ready-made children."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.api.gateway_metrics import GatewayMetrics
from argosy.gateway import Gateway

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics(Collector):
    """The numbers of one API process."""

    def __init__(self, gateway: Gateway) -> None:
        self.in_flight = 0
        """Completions being served now."""
        self._gateway = gateway
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
        """What is kept as plain numbers elsewhere."""
        yield GaugeMetricFamily("argosy_requests_in_flight", "Completions being served now.", value=self.in_flight)
        tokens = CounterMetricFamily("argosy_tokens", "Tokens of all outcomes, by kind.", labels=["kind"])
        for kind, count in self._gateway.tokens.items():
            tokens.add_metric([kind], count)
        yield tokens
        outcomes = CounterMetricFamily("argosy_outcomes", "Completions by how they ended.", labels=["outcome"])
        for outcome, count in self._gateway.outcomes.items():
            outcomes.add_metric([outcome], count)
        yield outcomes
        waiting = GaugeMetricFamily(
            "argosy_queue_length", "Requests that wait for their turn, by class.", labels=["class"]
        )
        for name, count in self._gateway.admission.waiting().items():
            waiting.add_metric([name], count)
        yield waiting
        refusals = CounterMetricFamily("argosy_refusals", "Requests that were sent away, by reason.", labels=["reason"])
        for reason, count in (self._gateway.admission.refusals + self._gateway.limits.refusals).items():
            refusals.add_metric([reason], count)
        yield refusals
        yield from _of_cache(self._gateway)


def _of_cache(gateway: Gateway) -> Iterator[Metric]:
    if gateway.cache is None:
        return
    results = CounterMetricFamily(
        "argosy_cache",
        "Kept answers: requests that found one (hit), did not (miss) or drew at random (bypass), entries written "
        "(stored), and what could not be done (failed).",
        labels=["result"],
    )
    for result, count in gateway.cache.counts.items():
        results.add_metric([result], count)
    yield results
    saved = CounterMetricFamily("argosy_cache_saved_tokens", "Tokens that hits saved, by kind.", labels=["kind"])
    for kind, count in gateway.cache.saved.items():
        saved.add_metric([kind], count)
    yield saved
