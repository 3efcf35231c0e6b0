"""``argosy usage``: what kept answers saved stands beside what was used."""

import json

import pytest
from tests.gateway.harness import running_api
from tests.gateway.limits.test_at_the_door import argosy

from argosy import billing
from argosy.billing import UsageEvent
from argosy.core import now_us


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path) as running:
        yield running


def use(api, name, **counts):
    with api.database.write() as tx:
        price = billing.current_prices(tx)["tiny"].id
        named = {"kind": "chat.completion", "model": "tiny", "base_model": "tiny", "key_id": None}
        times = {"started_us": now_us(), "finished_us": now_us()}
        event = UsageEvent(id=name, project_id=api.project_id, price_version=price, **named, **times, **counts)
        billing.record(tx, [event])


async def test_savings_are_shown_where_there_are_any(api):
    use(api, "req_1", prompt_tokens=40, completion_tokens=2)
    _, plain = await argosy(api, "usage")
    assert "saved" not in plain
    use(api, "req_2", outcome="cached", saved_prompt_tokens=3_000_000, saved_completion_tokens=500_000)
    _, shown = await argosy(api, "usage")
    assert "3500000" in shown
    assert "0.004000" in shown  # three million at 1,000 and half a million at 2,000 micro-units a million
    _, told = await argosy(api, "usage", "--json")
    [row] = json.loads(told)
    assert (row["saved_input_tokens"], row["saved_output_tokens"], row["saved"]["micro"]) == (3_000_000, 500_000, 4000)
