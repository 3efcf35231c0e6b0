"""``/v1/organization/usage/completions`` and ``/v1/organization/costs``, as OpenAI's administration API has them.

Administrators see their whole organization, holders of the scope ``billing`` their own project.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from argosy.api.billing_scope import flush_usage, visible_projects
from argosy.api.context import BillingCaller, PlatformParts
from argosy.billing import QUANTITIES
from argosy.billing.reports import Bucket, Question, Totals, report
from argosy.core import Invalid, now

router = APIRouter(prefix="/v1/organization", tags=["usage"])

_WIDTHS = {"1m": (60, 60, 1440), "1h": (3600, 24, 168), "1d": (86_400, 7, 31)}
"""Width in seconds, buckets by default, buckets at most."""
_COST_WIDTH = (86_400, 7, 180)
_COLUMNS = {
    "project_id": "project_id",
    "api_key_id": "key_id",
    "model": "model",
    "line_item": "model",
    "batch": "batch",
}
"""What can be grouped by, and the column behind it. A line item is a model and a quantity."""
_MICRO = 1_000_000
_SECONDS_MAX = 10**12
"""Later than anyone will ask for; in microseconds it still fits a column."""
_List = Annotated[list[str], Query(default_factory=list)]


class Asked:
    """The query parameters that both reports share."""

    def __init__(
        self,
        request: Request,
        start_time: Annotated[int, Query(ge=0, le=_SECONDS_MAX)],
        group_by: _List,
        project_ids: _List,
        api_key_ids: _List,
        models: _List,
        end_time: Annotated[int | None, Query(ge=0, le=_SECONDS_MAX)] = None,
        limit: Annotated[int | None, Query(ge=1)] = None,
        page: str | None = None,
    ) -> None:
        def both(name: str, plain: list[str]) -> list[str]:
            return plain + request.query_params.getlist(f"{name}[]")  # as OpenAI's clients write lists

        self.start_time, self.end_time, self.limit, self.page = start_time, end_time, limit, page
        self.group_by = both("group_by", group_by)
        named = {"project_id": both("project_ids", project_ids), "key_id": both("api_key_ids", api_key_ids)}
        named["model"] = both("models", models)
        self.only = {column: values for column, values in named.items() if values}

    def question(self, width: tuple[int, int, int], allowed: tuple[str, ...]) -> Question:
        """The question to the books. Raises Invalid."""
        width_s, default, most = width
        limit = self.limit or default
        if limit > most:
            raise Invalid(f"At most {most} buckets of this width at a time.", code="limit_too_high", param="limit")
        if unknown := set(self.group_by) - set(allowed):
            raise Invalid(
                f"Cannot group by {', '.join(sorted(unknown))}. Choose from {', '.join(allowed)}.",
                code="invalid_group_by",
                param="group_by",
            )
        start, end = self._start(), now() + 1 if self.end_time is None else self.end_time
        if start >= end:
            raise Invalid("end_time must lie after start_time.", code="invalid_time_range", param="end_time")
        return Question(start, end, width_s, limit, tuple(_COLUMNS[name] for name in self.group_by), self.only)

    def _start(self) -> int:
        if self.page is None:
            return self.start_time
        kind, _, number = self.page.partition("_")
        if kind != "page" or not number.isdecimal() or len(number) > len(str(_SECONDS_MAX)):
            raise Invalid("That is not a page. Send back next_page as it came.", code="invalid_page", param="page")
        return max(int(number), self.start_time)


AskedFor = Annotated[Asked, Depends(Asked)]


@router.get("/usage/completions")
def usage_of_completions(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Literal["1m", "1h", "1d"] = "1d"
) -> dict[str, Any]:
    """Tokens and requests over time, training not among them.

    ``saved_input_tokens``, ``saved_output_tokens`` and ``saved`` are what kept answers saved, at the pinned prices.
    """
    question = asked.question(_WIDTHS[bucket_width], ("project_id", "api_key_id", "model", "batch"))
    flush_usage(parts)
    with parts.database.read() as tx:
        buckets, following = report(tx, visible_projects(tx, caller), question, training=False)
    return _page(buckets, following, lambda totals: [_usage(totals)])


@router.get("/costs")
def costs(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Literal["1d"] = "1d"
) -> dict[str, Any]:
    """Money over time, all kinds of use among them. ``amount.micro`` is exact; ``amount.value`` is for people."""
    question = asked.question(_COST_WIDTH, ("project_id", "api_key_id", "line_item"))
    flush_usage(parts)
    with parts.database.read() as tx:
        buckets, following = report(tx, visible_projects(tx, caller), question, training=True)
    by_item = "line_item" in asked.group_by
    return _page(buckets, following, lambda totals: _line_items(totals) if by_item else [_cost(totals)])


def _page(buckets: list[Bucket], following: int | None, results: Any) -> dict[str, Any]:
    data = [
        {
            "object": "bucket",
            "start_time": bucket.start_time,
            "end_time": bucket.end_time,
            "results": [result for totals in bucket.results for result in results(totals)],
        }
        for bucket in buckets
    ]
    next_page = None if following is None else f"page_{following}"
    return {"object": "page", "data": data, "has_more": following is not None, "next_page": next_page}


def _usage(totals: Totals) -> dict[str, Any]:
    units = totals.units
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": units["input"] + units["cached_input"],
        "input_cached_tokens": units["cached_input"],
        "input_uncached_tokens": units["input"],
        "output_tokens": units["output"],
        "num_model_requests": totals.events,
        "saved_input_tokens": totals.saved["prompt_tokens"],
        "saved_output_tokens": totals.saved["completion_tokens"],
        "saved": _money(totals.saved["amount"], totals.currency),
        "project_id": totals.group.get("project_id"),
        "user_id": None,
        "api_key_id": totals.group.get("key_id"),
        "model": totals.group.get("model"),
        "batch": None if (batch := totals.group.get("batch")) is None else bool(batch),
    }


def _cost(totals: Totals) -> dict[str, Any]:
    return _amount(totals, sum(totals.amounts.values())) | {"line_item": None}


def _line_items(totals: Totals) -> list[dict[str, Any]]:
    return [
        _amount(totals, totals.amounts[name])
        | {
            "line_item": f"{totals.group['model']}, {name}_tokens",
            "quantity": totals.units[name],
            "quantity_unit": "tokens",
        }
        for name in QUANTITIES
        if totals.units[name]
    ]


def _amount(totals: Totals, micro: int) -> dict[str, Any]:
    return {
        "object": "organization.costs.result",
        "amount": _money(micro, totals.currency),
        "project_id": totals.group.get("project_id"),
        "api_key_id": totals.group.get("key_id"),
    }


def _money(micro: int, currency: str) -> dict[str, Any]:
    return {"value": micro / _MICRO, "currency": currency.lower(), "micro": micro}
