"""The gateway's numbers for Prometheus.

Labels are deployments' names, replicas' ids and codes of ours: never names that clients make up, and not those of tuned
models, which tell whose they are, for /metrics asks for no key.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from argosy.core.histogram import Histogram
from argosy.gateway import Gateway
from argosy.gateway.admission import Admission
from argosy.gateway.cache import AnswerCache
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
        gateway, status = self._gateway, self._gateway.status(_NOBODY)
        yield _counter("tokens", "Tokens of all outcomes, by kind.", ["kind"], gateway.tokens.items())
        yield _counter("outcomes", "Completions by how they ended.", ["outcome"], gateway.outcomes.items())
        yield from _latencies(gateway.numbers.by(lambda _, one: one.base_model))
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
        yield _queue(gateway.admission)
        refusals = gateway.admission.refusals + gateway.limits.refusals + gateway.purses.refusals
        yield _counter("refusals", "Requests that were sent away, by reason.", ["reason"], refusals.items())
        if gateway.cache is not None:
            yield from _cache(gateway.cache)
        if gateway.capture is not None:
            told = "Answered requests that were to be kept for feedback, by what became of it."
            yield _counter("captures", told, ["result"], gateway.capture.counts.items())
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


def _queue(admission: Admission) -> Metric:
    family = GaugeMetricFamily("argosy_queue_length", "Requests that wait for their turn, by class.", labels=["class"])
    for name, count in admission.waiting().items():
        family.add_metric([name], count)
    return family


def _cache(cache: AnswerCache) -> Iterator[Metric]:
    results = (
        "Kept answers: requests that found one (hit), did not (miss) or drew at random (bypass), entries written "
        "(stored), and what could not be done (failed)."
    )
    yield _counter("cache", results, ["result"], cache.counts.items())
    yield _counter("cache_saved_tokens", "Tokens that hits saved, by kind.", ["kind"], cache.saved.items())


def _counter(name: str, told: str, labels: list[str], counts: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(f"argosy_{name}", told, labels=labels)
    for label, count in counts:
        family.add_metric([label], count)
    return family
