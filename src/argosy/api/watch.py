"""A completion as it is seen from outside: its trace begins with it; its numbers, log line and span end with it."""

from typing import Any

from argosy.api.request_log import RequestLog
from argosy.gateway import Gateway, Served
from argosy.gateway.telemetry.report import report_of


class Watch:
    """Told of every request of the data plane."""

    def __init__(self, gateway: Gateway, log: RequestLog | None) -> None:
        """``log``: None for no lines."""
        self._gateway, self._log = gateway, log

    def begun(self, path: str, scope: Any, served: Served) -> None:
        """A request came."""
        served.trace = self._gateway.tracing.begin(path, scope["headers"])

    def ended(self, path: str, request_id: str, served: Served, status: int, started: float) -> None:
        """Its response is over, or the client is gone. ``started``: by `time.perf_counter`."""
        report = report_of(path, request_id, served, status, started)
        self._gateway.numbers.count(report, served.led_to)
        if self._log is not None:
            self._log.add(report)
        if served.trace is not None:
            served.trace.end(report, served.request)
