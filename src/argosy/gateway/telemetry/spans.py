"""OpenTelemetry spans. Only this file imports its SDK, and only a process that is to export spans imports this file.

A request is one span with the attributes of the GenAI conventions, its retries and its usage within it; each attempt is
a child by the conventions of HTTP clients, so that no token is told of twice. No content: neither prompts nor answers,
no keys, no name that a client made up.
"""

import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import argosy
from argosy.gateway.requests import Kind, Request
from argosy.gateway.telemetry.report import Report
from argosy.serving import Route

OPERATIONS = {Kind.CHAT: "chat", Kind.TEXT: "text_completion", Kind.EMBEDDING: "embeddings", Kind.RERANK: "rerank"}
"""``gen_ai.operation.name``; the conventions have no name for the last."""
_CLOSE_S = 2.0
_OWN = "argosy"
"""``gen_ai.provider.name`` of our own engines."""
_QUIET = frozenset(("answered", "client_gone"))
"""Results of an attempt that are not the upstream's fault."""
_CONTEXT = TraceContextTextMapPropagator()
_CONTEXT_HEADERS = (b"traceparent", b"tracestate")


class Spans:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("argosy", argosy.__version__)

    def begin(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> "RequestSpan":
        """The span of a request, below the one that the client names, if it names one."""
        carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in _CONTEXT_HEADERS}
        span = self._tracer.start_span(
            f"POST {path}",
            _CONTEXT.extract(carrier, Context()) if carrier else Context(),
            SpanKind.SERVER,
            {"http.request.method": "POST", "http.route": path},
        )
        return RequestSpan(self._tracer, span)

    def close(self) -> None:
        """Send what is not sent yet, but do not wait long for a collector that does not take it."""
        sending = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        sending.start()
        sending.join(_CLOSE_S)


class RequestSpan:
    """One request."""

    __slots__ = ("_context", "_led_to", "_span", "_tracer", "id")

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span, self._context = tracer, span, set_span_in_context(span, Context())
        self._led_to: Route | None = None
        self.id = format(span.get_span_context().trace_id, "032x")

    def attempt(self, route: Route) -> "AttemptSpan":
        """A child span."""
        self._led_to = route
        host, port = _address(route.url)
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": host,
            "argosy.model": route.model,
            "argosy.endpoint": route.provider_model if route.provider else route.replica_id,
        }
        if port:
            attributes["server.port"] = port
        span = self._tracer.start_span("POST", self._context, SpanKind.CLIENT, attributes)
        return AttemptSpan(span)

    def end(self, report: Report, request: Request | None) -> None:
        """Tell what became of the request."""
        span = self._span
        if span.is_recording():
            if report.model and request:
                span.update_name(f"{OPERATIONS[request.kind]} {report.model}")
            span.set_attributes(_attributes(report, request, self._led_to))
            # Also an answer that was cut after its status went out has failed; a refused request has not.
            if report.error and (report.status >= 500 or report.status == 200):
                span.set_status(StatusCode.ERROR)
        span.end()


class AttemptSpan:
    """One attempt."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, set_span_in_context(span, Context()))
        self.headers: Mapping[str, str] = carrier

    def end(self, result: str) -> None:
        """Tell how it went."""
        self._span.set_attribute("argosy.result", result)
        if result not in _QUIET:
            self._span.set_attribute("error.type", result)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def exporting() -> Spans:
    """Spans that go to where OpenTelemetry's standard variables say, in batches, from a thread of its own."""
    resource = Resource.create()
    if resource.attributes.get(SERVICE_NAME, "").__str__().startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "argosy", SERVICE_VERSION: argosy.__version__}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)


def _attributes(report: Report, request: Request | None, led_to: Route | None) -> dict[str, str | int | float | bool]:
    """Attributes by their conventional names; what is not known is left out."""
    found: dict[str, str | int | float | bool | None] = {
        "http.response.status_code": report.status,
        "error.type": report.error,
        "gen_ai.operation.name": OPERATIONS[request.kind] if request else None,
        "gen_ai.request.model": report.model,
        "gen_ai.response.id": report.request_id,
        "gen_ai.response.model": report.target,
        "argosy.attempts": report.attempts,
        "argosy.resumed": report.resumed,
        "argosy.outcome": report.outcome,
        "argosy.project": report.project_id,
        "argosy.route": report.route,
    }
    if request:
        found["gen_ai.request.stream"] = request.stream
        found["gen_ai.request.choice.count"] = request.n if request.n > 1 else None
        if request.stream and report.first_byte_ms is not None:
            found["gen_ai.response.time_to_first_chunk"] = report.first_byte_ms / 1000
    if led_to:
        found["gen_ai.provider.name"] = led_to.provider.name if led_to.provider else _OWN
        found["gen_ai.usage.input_tokens"] = report.prompt_tokens
        found["gen_ai.usage.cache_read.input_tokens"] = report.cached_tokens
        found["gen_ai.usage.output_tokens"] = report.completion_tokens
    return {name: value for name, value in found.items() if value is not None}


@lru_cache(maxsize=256)
def _address(url: str) -> tuple[str, int | None]:
    """Host and port of a URL, and nothing else of it: a user and a password may be in it too."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port
