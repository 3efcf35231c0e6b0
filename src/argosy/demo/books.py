"""Reading the platform's books over its public API: prices, ledger, invoice."""

import time
from collections.abc import Iterator
from typing import Any

from openai import OpenAI

from argosy.demo.bill import Prices

PATIENCE_S = 10.0


def published_prices(client: OpenAI, model: str) -> Prices:
    """The present price of a model."""
    card: Any = client.get(f"/catalog/{model}", cast_to=object)
    return Prices(**card["prices"])


def last_entry(client: OpenAI) -> int:
    """Id of the newest ledger entry, 0 for an empty ledger: where this story's entries begin."""
    return max((entry["id"] for entry in _entries(client, 0)), default=0)


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


def close_invoice(client: OpenAI, since: int) -> dict[str, Any]:
    """Close an invoice over the time from ``since`` (unix seconds) to now."""
    until = int(time.time()) + 1
    found: Any = client.post("/invoices", body={"period_start": since, "period_end": until}, cast_to=object)
    return dict(found)


def _entries(client: OpenAI, after: int) -> Iterator[dict[str, Any]]:
    while True:
        page: Any = client.get("/ledger", cast_to=object, options={"params": {"after": after, "limit": 1000}})
        yield from page["data"]
        if not page.get("has_more") or not page["data"]:
            return
        after = page["data"][-1]["id"]
