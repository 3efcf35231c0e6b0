"""The gateway's numbers for Prometheus.

Labels are deployments' names, replicas' ids and codes of ours: never names that clients make up, and not those of tuned
models, which tell whose they are, for /metrics asks for no key.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.core.histogram import Histogram
from argosy.gateway import Gateway
from argosy.gateway.telemetry.numbers import ModelNumbers
from argosy.gateway.telemetry.status import TargetStatus

_NOBODY = ""
"""A project that owns nothing, so that tuned models are counted with their base."""


class GatewayMetrics(Collector):
    """Made when they are asked for, of what the gateway counts anyway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """All families."""
        status = self._gateway.status(_NOBODY)
        models = self._gateway.numbers.by(lambda _, one: one.base_model)
        yield from _latencies(models)
        yield _counter("errors", "Errors that clients were told, by code.", ["code"], status.errors.items())
        attempts = CounterMetricFamily(
            "argosy_upstream_attempts", "Replicas and providers asked, by how it went.", labels=["model", "result"]
        )
        for model, result, count in status.attempts:
            attempts.add_metric([model, result], count)
        yield attempts
        extra = "Attempts after a request's first, by whether the budget for them allowed it."
        yield _counter("extra_attempts", extra, ["decision"], status.extra_attempts.items())
        yield CounterMetricFamily("argosy_resumed_answers", "Cut answers carried on.", value=status.resumed)
        yield from _circuits(status.targets)
        for name, told in (
            ("unshipped", "Outcomes in the journal that are not in the database yet."),
            ("open_requests", "Requests that are not over, or not in the database yet."),
        ):
            yield GaugeMetricFamily(f"argosy_journal_{name}", told, value=status.journal[name])


def _latencies(models: dict[str, ModelNumbers]) -> Iterator[Metric]:
    first = HistogramMetricFamily(
        "argosy_first_byte_seconds",
        "From the request to the first byte of a good answer.",
        labels=["model", "stream"],
    )
    speed = HistogramMetricFamily(
        "argosy_output_tokens_per_second", "Of streamed answers, from their first byte on.", labels=["model"]
    )
    for model, one in models.items():
        for stream, histogram in (("true", one.first_byte), ("false", one.whole)):
            _add(first, [model, stream], histogram, every=2)
        _add(speed, [model], one.speed)
    yield first
    yield speed


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram, every: int = 1) -> None:
    if any(histogram.counts):
        family.add_metric(labels, histogram.cumulative(every), histogram.total)


def _circuits(targets: Iterable[TargetStatus]) -> Iterator[Metric]:
    labels = ["model", "endpoint"]
    opened = GaugeMetricFamily("argosy_circuit_open", "1: it failed and is left alone for a while.", labels=labels)
    busy = GaugeMetricFamily("argosy_upstream_in_flight", "Requests it works on for this process.", labels=labels)
    for target in targets:
        if target.endpoint:
            opened.add_metric([target.model, target.endpoint], target.circuit != "closed")
            busy.add_metric([target.model, target.endpoint], target.in_flight)
    yield opened
    yield busy


def _counter(name: str, told: str, labels: list[str], counts: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(f"argosy_{name}", told, labels=labels)
    for label, count in counts:
        family.add_metric([label], count)
    return family
