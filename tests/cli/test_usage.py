"""``argosy usage``: what was used, what it cost, and what kept answers saved."""

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
    assert (row["model"], row["saved_tokens"], row["saved"]["micro"]) == ("tiny", 3_500_000, 4000)


async def test_it_groups_by_what_is_wanted(api):
    use(api, "req_1", prompt_tokens=4_000_000, completion_tokens=1_000_000, tags='{"task":"chart"}')
    use(api, "req_2", prompt_tokens=1_000_000, tags='{"task":"letter"}')
    _, told = await argosy(api, "usage", "--by", "tag:task", "--since", "7d", "--json")
    assert {row["metadata.task"]: row["cost"]["micro"] for row in json.loads(told)} == {"chart": 6_000, "letter": 1_000}
    _, shown = await argosy(api, "usage", "--by", "tag:task")
    assert shown.index("chart") < shown.index("letter") < shown.index("in all"), "the costliest first"
    for by in ("project", "key", "day", "model"):
        _, told = await argosy(api, "usage", "--by", by, "--json")
        assert sum(row["cost"]["micro"] for row in json.loads(told)) == 7_000
    _, told = await argosy(api, "usage", "--forecast")
    assert "Not enough data" in told
    _, told = await argosy(api, "usage", "--forecast", "--json")
    assert json.loads(told)["forecast"]["expected"] is None


@pytest.mark.parametrize("wrong", [("--by", "moon"), ("--since", "yesterday"), ("--by", "tag:")])
async def test_what_makes_no_sense_is_refused(api, wrong):
    code, said = await argosy(api, "usage", *wrong)
    assert code == 1
    assert "argosy: " in said


async def test_meters_are_shown_and_priced(api):
    _, shown = await argosy(api, "meters", "show")
    assert "engine_seconds" in shown
    _, told = await argosy(api, "meters", "price", "storage_mib_hours", "31250")
    assert "31250" in told
    _, told = await argosy(api, "meters", "show", "--json")
    prices = {meter["id"]: meter["prices"] for meter in json.loads(told)}
    assert prices["storage_mib_hours"]["storage"]["price"] == 31_250
    assert prices["engine_seconds"] == {}
    code, said = await argosy(api, "meters", "price", "engine_seconds", "5")
    assert (code, "'storage'" in said) == (1, True)
