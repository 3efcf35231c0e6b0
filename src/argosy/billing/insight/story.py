"""Figures, forecast and anomalies, all from the reports of usage, so that they add up as these do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TypeVar

from argosy.billing.insight.anomalies import DAYS, Anomaly, anomaly
from argosy.billing.insight.figures import Figures, figures_of
from argosy.billing.insight.forecast import DAYS_MAX, Forecast, forecast
from argosy.billing.reports import Bucket, Question, Totals, report
from argosy.runtime import Transaction

TASK = "metadata.task"
"""The tag by which a caller says what a request was for."""
DAY = "day"
_DAY_S = 86_400
_DAYS_LIMIT = 400
K = TypeVar("K")
Group = tuple[tuple[str, str | bool | None], ...]


@dataclass(frozen=True)
class Insight:
    """Of one period, and of the days up to now."""

    currency: str
    """Empty without any usage."""
    total: Figures
    groups: Mapping[Group, Figures]
    """By what was asked, the costliest first."""
    tasks: Mapping[str, Figures]
    """By the tag ``task``, the costliest first; what has none is not among them."""
    forecast: Forecast
    anomalies: Mapping[str, Anomaly]
    """By model."""


def insight(tx: Transaction, project_ids: Sequence[str], question: Question, now_s: int, per_token: int) -> Insight:
    """``question``: the period, what to group by (``day`` too), and which usage; its buckets do not count.
    ``per_token``: hundredths of a character that a token is taken to have.
    """
    question = replace(question, width_s=_DAY_S, limit=_DAYS_LIMIT)
    named = tuple(name for name in question.group_by if name != DAY)
    by_day = DAY in question.group_by
    grouped = replace(question, group_by=named)
    buckets, _ = report(tx, project_ids, grouped, training=True)
    asked, _ = report(tx, project_ids, grouped, training=False)
    everything, requests = _by_group(buckets, by_day=by_day), _by_group(asked, by_day=by_day)
    groups = {group: figures_of(found, requests.get(group, ()), per_token) for group, found in everything.items()}
    by_task, _ = report(tx, project_ids, replace(question, group_by=(TASK,)), training=False)
    tasks = {
        str(group[0][1]): figures_of(found, found, per_token)
        for group, found in _by_group(by_task, by_day=False).items()
        if group[0][1] is not None
    }
    start = (now_s // _DAY_S - DAYS_MAX) * _DAY_S  # which is before this month, too
    recent = Question(max(0, start), now_s + 1, _DAY_S, _DAYS_LIMIT, ("model",), question.only)
    days, _ = report(tx, project_ids, recent, training=True)
    return Insight(
        currency=next((totals.currency for bucket in [*buckets, *days] for totals in bucket.results), ""),
        total=figures_of(_all(buckets), _all(asked), per_token),
        groups=groups if by_day else _costliest(groups),
        tasks=_costliest(tasks),
        forecast=forecast(_spent_by_day(days), _date(now_s)),
        anomalies=_anomalies(days),
    )


def _by_group(buckets: Sequence[Bucket], *, by_day: bool) -> dict[Group, list[Totals]]:
    found: dict[Group, list[Totals]] = {}
    for bucket in buckets:
        day = ((DAY, _date(bucket.start_time).isoformat()),) if by_day else ()
        for totals in bucket.results:
            found.setdefault((*day, *totals.group.items()), []).append(totals)
    return found


def _costliest(figures: Mapping[K, Figures]) -> dict[K, Figures]:
    return dict(sorted(figures.items(), key=lambda item: (-item[1].cost, str(item[0]))))


def _all(buckets: Sequence[Bucket]) -> list[Totals]:
    return [totals for bucket in buckets for totals in bucket.results]


def _spent_by_day(days: Sequence[Bucket]) -> dict[date, int]:
    """From the first day with any usage on."""
    spent = {_date(bucket.start_time): bucket for bucket in days}
    return {day: sum(totals.cost for totals in bucket.results) for day, bucket in spent.items() if bucket.results}


def _anomalies(days: Sequence[Bucket]) -> dict[str, Anomaly]:
    """Of each model that was used today. One that is new, on a platform that is not, cost nothing before."""
    used = [number for number, bucket in enumerate(days) if bucket.results]
    if not used:
        return {}
    by_day = [
        {str(totals.group["model"]): totals.cost for totals in bucket.results}
        for bucket in days[used[0] :][-DAYS - 1 :]
    ]
    *before, today = by_day
    found = {model: anomaly([day.get(model, 0) for day in before], spent) for model, spent in today.items()}
    return {model: one for model, one in found.items() if one}


def _date(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
