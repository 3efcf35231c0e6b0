"""The log's one line a request: written in batches beside the event loop, so that a request only pays for a record."""

import asyncio

import msgspec
import structlog

from argosy.gateway.telemetry.report import Report

FLUSH_S = 0.1
"""A line is in the log after this long at most. A process that is killed takes them along; usage is in the journal."""
LINES_MAX = 100_000
"""While nobody takes what is written, later lines are dropped and counted: memory has a bound, and requests go on."""

_LINES = msgspec.json.Encoder()


class RequestLog:
    """Lines go to standard output, as all others do. Used from one event loop."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self._lines_max = lines_max
        self._waiting: list[Report] = []
        self._flushing = False
        self.dropped = 0
        """Lines that there was no room for."""

    def add(self, report: Report) -> None:
        """Have one line written soon."""
        if len(self._waiting) >= self._lines_max:
            self.dropped += 1
            return
        self._waiting.append(report)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def close(self) -> None:
        """Write what is not written yet."""
        _write(self._take())

    def _take(self) -> list[Report]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _flush(self) -> None:
        written = asyncio.get_running_loop().run_in_executor(None, _write, self._take())
        written.add_done_callback(self._written)

    def _written(self, written: "asyncio.Future[None]") -> None:
        self._flushing = False
        if not written.cancelled() and written.exception() is None and self._waiting:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_S, self._flush)


def _write(reports: list[Report]) -> None:
    if reports:
        lines = _LINES.encode_lines(reports).decode()
        structlog.PrintLogger().msg(lines.removesuffix("\n"))  # it holds the lock of all who log
