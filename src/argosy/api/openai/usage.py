"""``/v1/organization/usage/*`` and ``/v1/organization/costs``, as OpenAI's administration API has them.

Administrators see their whole organization, holders of the scope ``billing`` their own project.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

from fastapi import APIRouter

from argosy.api.billing_scope import flush_usage, visible_projects
from argosy.api.context import BillingCaller, PlatformParts
from argosy.api.openai.usage_query import TAG, Asked, AskedFor
from argosy.billing import IMAGES
from argosy.billing.rating import MEASURED_QUANTITY, QUANTITIES
from argosy.billing.reports import Bucket, Question, Totals, report
from argosy.core.money import MICRO

router = APIRouter(prefix="/v1/organization", tags=["usage"])

_WIDTHS = {"1m": (60, 60, 1440), "1h": (3600, 24, 168), "1d": (86_400, 7, 31)}
"""Width in seconds, buckets by default, buckets at most."""
_COST_WIDTH = (86_400, 7, 180)
Width = Literal["1m", "1h", "1d"]
_PLAIN = ("project_id", "api_key_id", "model")
_OTHERS = ("embedding", "moderation", "rerank")
"""Kinds of requests that do not write text, each with a page of its own."""
_Results = Callable[[Bucket], list[dict[str, Any]]]


@router.get("/usage/completions")
def usage_of_completions(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d"
) -> dict[str, Any]:
    """Tokens and requests over time, of everything that writes text.

    ``saved_input_tokens``, ``saved_output_tokens`` and ``saved`` are what kept answers saved, at the pinned prices.
    """
    question = asked.question(_WIDTHS[bucket_width], (*_PLAIN, "batch"), _OTHERS)
    return _of_requests(parts, caller, question, _completions)


@router.get("/usage/embeddings")
def usage_of_embeddings(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d"
) -> dict[str, Any]:
    """Tokens and requests for embeddings over time."""
    return _of_kind(parts, caller, asked, bucket_width, "embedding", "embeddings")


@router.get("/usage/moderations")
def usage_of_moderations(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d"
) -> dict[str, Any]:
    """Tokens and requests for moderation over time."""
    return _of_kind(parts, caller, asked, bucket_width, "moderation", "moderations")


@router.get("/usage/reranks")
def usage_of_reranks(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d"
) -> dict[str, Any]:
    """Tokens and requests for rerankings over time, in the shape of those for embeddings. OpenAI has no such page."""
    return _of_kind(parts, caller, asked, bucket_width, "rerank", "reranks")


@router.get("/usage/images")
def usage_of_images(
    parts: PlatformParts, caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d"
) -> dict[str, Any]:
    """Images that requests brought, where a price or a provider counts them. None are made here."""
    asked.only["measured"] = [IMAGES]
    return _of_requests(parts, caller, asked.question(_WIDTHS[bucket_width], _PLAIN), _images)


@router.get("/usage/audio_speeches")
@router.get("/usage/audio_transcriptions")
@router.get("/usage/vector_stores")
@router.get("/usage/code_interpreter_sessions")
@router.get("/usage/file_search_calls")
@router.get("/usage/web_search_calls")
def usage_of_nothing(caller: BillingCaller, asked: AskedFor, bucket_width: Width = "1d") -> dict[str, Any]:
    """What this platform does not offer has been used by nobody: pages of empty buckets."""
    asked.group_by = [name for name in asked.group_by if name in _PLAIN]
    question = asked.question(_WIDTHS[bucket_width], _PLAIN)
    first, past = question.start_time // question.width_s, (question.end_time - 1) // question.width_s + 1
    end = min(past, first + question.limit)
    cut = [max(first * question.width_s, question.start_time)]
    cut += [number * question.width_s for number in range(first + 1, end)]
    cut.append(min(end * question.width_s, question.end_time))
    buckets = [Bucket(start, stop, ()) for start, stop in pairwise(cut)]
    return _page(buckets, cut[-1] if end < past else None, lambda _: [])


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
    return _page(buckets, following, _line_items if by_item else lambda bucket: [_cost(one) for one in bucket.results])


def _of_kind(
    parts: PlatformParts, caller: BillingCaller, asked: Asked, bucket_width: Width, kind: str, name: str
) -> dict[str, Any]:
    asked.only["kind"] = [kind]
    question = asked.question(_WIDTHS[bucket_width], _PLAIN)
    return _of_requests(parts, caller, question, lambda totals: _read_only(totals, name))


def _of_requests(
    parts: PlatformParts, caller: BillingCaller, question: Question, result: Callable[[Totals], dict[str, Any]]
) -> dict[str, Any]:
    flush_usage(parts)
    with parts.database.read() as tx:
        buckets, following = report(tx, visible_projects(tx, caller), question, training=False)
    return _page(buckets, following, lambda bucket: list(map(result, bucket.results)))


def _page(buckets: list[Bucket], following: int | None, results: _Results) -> dict[str, Any]:
    data = [
        {
            "object": "bucket",
            "start_time": bucket.start_time,
            "end_time": bucket.end_time,
            "results": results(bucket),
        }
        for bucket in buckets
    ]
    next_page = None if following is None else f"page_{following}"
    return {"object": "page", "data": data, "has_more": following is not None, "next_page": next_page}


def _completions(totals: Totals) -> dict[str, Any]:
    units = totals.units
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": units["input"] + units["cached_input"],
        "input_cached_tokens": units["cached_input"],
        "input_uncached_tokens": units["input"],
        "output_tokens": units["output"],
        "output_reasoning_tokens": totals.reasoning_tokens,
        "num_model_requests": totals.events,
        "saved_input_tokens": totals.saved["prompt_tokens"],
        "saved_output_tokens": totals.saved["completion_tokens"],
        "saved": money(totals.saved["amount"], totals.currency),
        **_group(totals),
        "batch": None if (batch := totals.group.get("batch")) is None else bool(batch),
    }


def _read_only(totals: Totals, name: str) -> dict[str, Any]:
    """Of models that read and do not write."""
    return {
        "object": f"organization.usage.{name}.result",
        "input_tokens": totals.units["input"] + totals.units["cached_input"],
        "num_model_requests": totals.events,
        **_group(totals),
    }


def _images(totals: Totals) -> dict[str, Any]:
    return {
        "object": "organization.usage.images.result",
        "images": totals.units[MEASURED_QUANTITY],
        "num_model_requests": totals.events,
        "source": None,
        "size": None,
        **_group(totals),
    }


def _cost(totals: Totals) -> dict[str, Any]:
    return _amount(totals, totals.cost) | {"line_item": None}


def _line_items(bucket: Bucket) -> list[dict[str, Any]]:
    """A line for each model and quantity. Of two rows with different things measured, the tokens are on one line."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item in (item for totals in bucket.results for item in _items(totals)):
        place = tuple(str(item[name]) for name in ("line_item", "project_id", "api_key_id", "metadata"))
        if before := found.get((*place, currency := item["amount"]["currency"])):
            before["quantity"] += item["quantity"]
            before["amount"] = money(before["amount"]["micro"] + item["amount"]["micro"], currency.upper())
        else:
            found[(*place, currency)] = item
    return list(found.values())


def _items(totals: Totals) -> Iterator[dict[str, Any]]:
    model, measured = totals.group["model"], str(totals.group["measured"])
    for name in QUANTITIES:
        if totals.units[name]:
            called, unit = (measured, measured) if name == MEASURED_QUANTITY else (f"{name}_tokens", "tokens")
            yield _amount(totals, totals.amounts[name]) | {
                "line_item": f"{model}, {called}",
                "quantity": totals.units[name],
                "quantity_unit": unit,
            }


def _amount(totals: Totals, micro: int) -> dict[str, Any]:
    group = _group(totals)
    return {
        "object": "organization.costs.result",
        "amount": money(micro, totals.currency),
        **{name: group[name] for name in ("project_id", "api_key_id", "metadata")},
    }


def _group(totals: Totals) -> dict[str, Any]:
    """What a result is grouped by; ``metadata`` holds what callers said, null for those who did not."""
    tags = {name.removeprefix(TAG): value for name, value in totals.group.items() if name.startswith(TAG)}
    return {
        "project_id": totals.group.get("project_id"),
        "user_id": None,
        "api_key_id": totals.group.get("key_id"),
        "model": totals.group.get("model"),
        "metadata": tags or None,
    }


def money(micro: int, currency: str) -> dict[str, Any]:
    """An amount on OpenAI's wire, and exactly."""
    return {"value": micro / MICRO, "currency": currency.lower(), "micro": micro}
