"""Rates and percentiles from what the gateway has counted: how its first and last answer in a window differ."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from argosy.core.histogram import quantile

WINDOW_S = 10.0

Status = Mapping[str, Any]
"""An answer of ``GET /v1/gateway/status``."""


@dataclass
class Window:
    """The answers of the last seconds, oldest first, all of one process."""

    _answers: deque[tuple[float, Status]] = field(default_factory=deque)

    def add(self, at_s: float, status: Status) -> None:
        """``at_s``: when it came, by a monotonic clock. Another process counts from nothing, so the window does too."""
        answers = self._answers
        if answers and (answers[-1][1]["process"], answers[-1][1]["started_at"]) != (
            status["process"],
            status["started_at"],
        ):
            answers.clear()
        answers.append((at_s, status))
        while len(answers) > 2 and answers[1][0] <= at_s - WINDOW_S:
            answers.popleft()

    def __bool__(self) -> bool:
        return bool(self._answers)

    def summary(self) -> dict[str, Any]:
        """What happened within the window, as ``argosy top --json`` prints it. Rates are null after one answer only.

        Tokens count when their request ends. Raises IndexError before the first answer.
        """
        (first_at, first), (last_at, last) = self._answers[0], self._answers[-1]
        took_s = last_at - first_at
        before = {one["model"]: one for one in first["models"]}
        models = [_model(before.get(one["model"], {}), one, last, took_s) for one in last["models"]]
        return {
            "window_s": round(took_s, 1),
            "process": last["process"],
            "started_at": last["started_at"],
            "in_flight": last["in_flight"],
            "requests_per_s": _rate(last["requests"] - first["requests"], took_s),
            **_latency([_grown(before.get(one["model"], {}), one) for one in last["models"]], last),
            **{name: _sum(models, name) for name in ("prompt_tokens_per_s", "completion_tokens_per_s")},
            "errors": _more(first["errors"], last["errors"]),
            "outcomes": _more(first["outcomes"], last["outcomes"]),
            "extra_attempts": _more(first["extra_attempts"], last["extra_attempts"]),
            "resumed": last["resumed"] - first["resumed"],
            "journal": last["journal"],
            "models": sorted(models, key=lambda one: (-(one["requests_per_s"] or 0), one["model"])),
            "targets": last["targets"],
        }


def _model(before: Status, now: Status, status: Status, took_s: float) -> dict[str, Any]:
    def grown(name: str) -> float | None:
        return _rate(now[name] - before.get(name, 0), took_s)

    return {
        "model": now["model"],
        "requests_per_s": grown("requests"),
        "requests": now["requests"],
        **_latency([_grown(before, now)], status),
        "prompt_tokens_per_s": grown("prompt_tokens"),
        "completion_tokens_per_s": grown("completion_tokens"),
        "errors": _more(before.get("errors", {}), now["errors"]),
    }


def _rate(count: int, took_s: float) -> float | None:
    return round(count / took_s, 2) if took_s > 0 else None


def _sum(models: Sequence[Mapping[str, Any]], name: str) -> float | None:
    rates = [one[name] for one in models]
    return None if None in rates else round(sum(rates), 2)


def _grown(before: Status, now: Status) -> list[int]:
    return [
        b - a for a, b in zip(before.get("first_byte") or [0] * len(now["first_byte"]), now["first_byte"], strict=True)
    ]


def _latency(counts: Sequence[Sequence[int]], status: Status) -> dict[str, float | None]:
    """Percentiles to the first byte, in milliseconds; None where nothing was answered."""
    edges = status["first_byte_edges_s"]
    together = [sum(each) for each in zip(*counts, strict=True)] or [0] * (len(edges) + 1)
    found = {}
    for name, share in (("first_byte_p50_ms", 0.5), ("first_byte_p99_ms", 0.99)):
        seconds = quantile(edges, together, share)
        found[name] = None if seconds is None else round(seconds * 1000, 2)
    return found


def _more(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Counts that have grown, the largest first."""
    return dict((Counter(now) - Counter(before)).most_common())
