"""The W3C trace context of a request: passed on as it came, unless spans are made of it (`spans.py`)."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

import structlog

from argosy.serving import Route

if TYPE_CHECKING:  # a report is made of what is traced
    from argosy.gateway.requests import Request
    from argosy.gateway.telemetry.report import Report

_log = structlog.get_logger()
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Hop(Protocol):
    """One attempt of a request."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What tells the upstream which trace it is part of."""

    def end(self, result: str) -> None:
        """It is over."""


class Trace(Protocol):
    """One request."""

    @property
    def id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""

    def attempt(self, route: Route) -> Hop:
        """A replica or provider is about to be asked."""

    def end(self, report: "Report", request: "Request | None") -> None:
        """The request is over; ``request`` is None if it could not be read."""


class Tracing(Protocol):
    """All requests of a process."""

    def begin(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Trace | None:
        """A request came, with these headers in ASGI's form. None if it belongs to no trace."""

    def close(self) -> None:
        """Send what is not sent yet."""


class PassedOn:
    """A trace that others make: the same header goes on."""

    __slots__ = ("headers", "id")

    def __init__(self, traceparent: str) -> None:
        self.id, self.headers = traceparent[3:35], {"traceparent": traceparent}

    def attempt(self, route: Route) -> "PassedOn":
        """Upstreams become children of the client's own span."""
        return self

    def end(self, *_: object) -> None:
        """Nothing is told."""


class Passing:
    """No spans are made."""

    def begin(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> PassedOn | None:
        """Take note of a well-formed header; any other is dropped, as its specification says."""
        for name, value in headers:
            if name == b"traceparent":
                return PassedOn(value.decode("ascii")) if _TRACEPARENT.fullmatch(value) else None
        return None

    def close(self) -> None:
        """There is nothing to send."""


def open_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Spans, if OpenTelemetry's standard variables name an endpoint for them and the extra ``otel`` is installed."""
    wanted = any(environment.get(name) for name in _ENDPOINTS)
    if not wanted or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Passing()
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return Passing()
    try:
        from argosy.gateway.telemetry.spans import exporting
    except ImportError:
        _log.warning("tracing.not_installed", next_step="pip install 'argosy[otel]'")
        return Passing()
    return exporting()
