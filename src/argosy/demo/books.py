"""Reading the platform's books over its public API: prices, usage rows, ledger, invoice."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openai import OpenAI

from argosy.demo.bill import Prices

PATIENCE_S = 10.0
_PAGE = 1_000


@dataclass(frozen=True)
class Opening:
    """The ledger before the story."""

    last_entry: int = 0
    """Id of the newest entry; 0 for an empty ledger."""
    owed: int = 0
    """Micro-units used and not yet invoiced, which the next invoice will hold as well."""


def opening(client: OpenAI) -> Opening:
    """The state that this story starts from."""
    entries = list(_entries(client, 0))
    return Opening(
        max((entry["id"] for entry in entries), default=0),
        sum(entry["amount"] for entry in entries if entry["account"] == "receivable"),
    )


def published_prices(client: OpenAI, model: str) -> Prices:
    """The present price of a model."""
    found: Any = client.get("/prices", cast_to=object)
    row = next(one for one in found["data"] if one["model"] == model)
    return Prices(row["currency"], row["input"], row["cached_input"], row["output"], row["training"])


def posted_since(client: OpenAI, entry: int, awaited: set[str]) -> dict[str, int]:
    """What was charged after ``entry``, in micro-units by usage id; waits some seconds for the ids in ``awaited``."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        posted: dict[str, int] = {}
        for one in _entries(client, entry):
            if one["account"] == "receivable" and one["usage_id"]:
                posted[one["usage_id"]] = posted.get(one["usage_id"], 0) + one["amount"]
        if awaited <= posted.keys() or time.monotonic() > deadline:
            return posted
        time.sleep(0.2)


def usage_rows(client: OpenAI, count: int) -> list[dict[str, Any]]:
    """The newest usage rows, as the platform shows them."""
    found: Any = client.get("/usage/events", cast_to=object, options={"params": {"limit": count}})
    return list(found["data"])


def close_invoice(client: OpenAI) -> dict[str, Any]:
    """Close all of the organization that was not invoiced yet; the part of the invoice that is this project's."""
    made: Any = client.post("/invoices", body={}, cast_to=object)
    book: Any = client.get("/ledger", cast_to=object, options={"params": {"limit": 1}})
    ours = {"project_id": book["project_id"]}
    part: Any = client.get(f"/invoices/{made['id']}", cast_to=object, options={"params": ours})
    return dict(part)


def _entries(client: OpenAI, after: int) -> Iterator[dict[str, Any]]:
    while True:
        page: Any = client.get("/ledger", cast_to=object, options={"params": {"after": after, "limit": _PAGE}})
        yield from page["data"]
        if not page["has_more"]:
            return
        after = page["data"][-1]["id"]
