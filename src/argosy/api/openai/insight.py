"""``/v1/organization/insight``: what money went for, what the month will cost, and what is unusual today."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from argosy.api.billing_scope import flush_usage, visible_projects
from argosy.api.context import BillingCaller, PlatformParts
from argosy.api.openai.usage import money
from argosy.api.openai.usage_query import AskedFor
from argosy.billing.insight import CHARACTERS_PER_TOKEN_PERCENT, Anomaly, Figures, Forecast, Insight, insight
from argosy.core import Invalid, now

router = APIRouter(prefix="/v1/organization", tags=["usage"])

_GROUPS = ("project_id", "api_key_id", "model", "batch", "day")
_DAYS_MAX = 366
_DAY_S = 86_400
_WIDTH = (_DAY_S, _DAYS_MAX, _DAYS_MAX)
_MONEY = ("cost", "saved", "request_cost", "cost_per_60k_characters", "cost_per_thousand_answers")
PerToken = Annotated[
    int,
    Query(
        ge=10,
        le=1000,
        description="Hundredths of a character that a token is taken to have.",
    ),
]


@router.get("/insight")
def read_insight(
    parts: PlatformParts,
    caller: BillingCaller,
    asked: AskedFor,
    characters_per_token_percent: PerToken = CHARACTERS_PER_TOKEN_PERCENT,
) -> dict[str, Any]:
    """Cost figures of a period, by what is asked and by task (``metadata.task``), and the forecast and the anomalies of
    today. All amounts are sums of what was charged; what is derived from them is rounded to a micro-unit.
    """
    question = asked.question(_WIDTH, _GROUPS)
    if question.end_time - question.start_time > _DAYS_MAX * _DAY_S:
        raise Invalid(f"At most {_DAYS_MAX} days at a time.", code="invalid_time_range", param="start_time")
    flush_usage(parts)
    with parts.database.read() as tx:
        found = insight(tx, visible_projects(tx, caller), question, now(), characters_per_token_percent)
    return _wire(found, question.start_time, question.end_time, characters_per_token_percent)


def _wire(found: Insight, start: int, end: int, per_token: int) -> dict[str, Any]:
    currency = found.currency or "USD"
    return {
        "object": "organization.insight",
        "start_time": start,
        "end_time": end,
        "currency": found.currency.lower() or None,
        "characters_per_token_percent": per_token,
        "total": _figures(found.total, currency),
        "groups": [
            {"group": _group(dict(group)), **_figures(figures, currency)} for group, figures in found.groups.items()
        ],
        "tasks": [{"task": task, **_figures(figures, currency)} for task, figures in found.tasks.items()],
        "forecast": _forecast(found.forecast, currency),
        "anomalies": [_anomaly(model, one, currency) for model, one in found.anomalies.items()],
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    names = {"key_id": "api_key_id"}
    return {names.get(name, name): bool(value) if name == "batch" else value for name, value in group.items()}


def _figures(figures: Figures, currency: str) -> dict[str, Any]:
    values = asdict(figures)
    return values | {name: None if values[name] is None else money(values[name], currency) for name in _MONEY}


def _forecast(found: Forecast, currency: str) -> dict[str, Any]:
    month = datetime.fromtimestamp(now(), UTC).strftime("%Y-%m")
    told = {"month": month, "spent": money(found.spent, currency), "days": found.days}
    if not found.enough:
        note = f"Not enough data: {found.days} complete days of usage, and it takes seven."
        return told | {"expected": None, "low": None, "high": None, "note": note}
    note = (
        f"The mean of {found.days} complete days by weekday, and the interval that four of five such months fall into."
    )
    amounts = {name: money(getattr(found, name), currency) for name in ("expected", "low", "high")}
    return told | amounts | {"note": note}


def _anomaly(model: str, one: Anomaly, currency: str) -> dict[str, Any]:
    spent, usual = money(one.spent, currency), money(one.usual, currency)
    before = "it usually costs nothing" if not one.usual else f"a day usually costs {_shown(one.usual, currency)}"
    return {
        "model": model,
        "spent": spent,
        "usual": usual,
        "robust_z": one.z_tenths / 10,
        "note": f"'{model}' has cost {_shown(one.spent, currency)} today; {before} (the median of the last 14 days).",
    }


def _shown(micro: int, currency: str) -> str:
    whole, rest = divmod(micro, 1_000_000)
    return f"{whole:,}.{rest // 10_000:02} {currency}"
