"""Administrators set prices and see the margin; everyone sees the prices, and nobody else what providers ask."""

import json

import openai
import pytest
from tests.gateway.limits.test_at_the_door import argosy

from argosy import billing
from argosy.billing import Terms, UsageEvent
from argosy.core import now, now_us

PRICE = {"model": "tiny", "currency": "USD", "input": 100, "output": 400}
STARTER = "smollm2-135m-instruct"


async def prices(api, secret=None, **query):
    return (await api.client(secret).get("/prices", cast_to=dict, options={"params": query}))["data"]


async def test_a_price_is_set_listed_and_kept_in_the_history(api):
    tiers = [{"above_prompt_tokens": 1000, "input": 200, "output": 800}]
    made = await api.client().post("/prices", body={**PRICE, "tiers": tiers, "batch_discount": 30}, cast_to=dict)
    assert (made["version"], made["state"], made["batch_discount"], made["warnings"]) == (
        2,
        "in_force",
        30,
        ["'tiny' is no card's and no deployment's name yet: the price waits for one"],
    )
    assert made["tiers"] == [{"above_prompt_tokens": 1000, "input": 200, "cached_input": 200, "output": 800}]
    again = await api.client().post("/prices", body={**PRICE, "tiers": tiers, "batch_discount": 30}, cast_to=dict)
    assert again["id"] == made["id"]
    to_come = await api.client().post("/prices", body={**PRICE, "effective_from": "2031-01-01"}, cast_to=dict)
    assert (to_come["state"], to_come["effective_from"]) == ("scheduled", 1924992000)
    assert [row["id"] for row in await prices(api, model="tiny")] == [made["id"]]
    states = [row["state"] for row in await prices(api, api.other, model="tiny", history=True)]
    assert states == ["past", "in_force", "scheduled"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"input": -1}, "negative_price"),
        ({"input": 10**13}, "absurd_price"),
        ({"input": 0.15}, "invalid_value"),
        ({"input": "150000"}, "invalid_value"),
        ({"input": True}, "invalid_value"),
        ({"currency": "CNY"}, "currency_mismatch"),
        ({"effective_from": 1}, "date_in_the_past"),
        ({"effective_from": "soon"}, "invalid_date"),
        ({"effective_from": 10**18}, "date_too_far_ahead"),
        ({"kind": "cost"}, "invalid_price"),
        ({"provider": "openai"}, "invalid_price"),
        ({"kind": "cost", "provider": "openai", "batch_discount": 5}, "invalid_discount"),
        ({"batch_discount": 101}, "invalid_value"),
        ({"model": "=1+1"}, "invalid_name"),
        ({"tiers": [{"above_prompt_tokens": 5, "input": 1, "output": 1}] * 2}, "invalid_tiers"),
    ],
)
async def test_what_can_be_no_price_is_refused(api, change, code):
    with pytest.raises(openai.BadRequestError) as refused:
        await api.client().post("/prices", body={**PRICE, **change}, cast_to=dict)
    assert refused.value.code == code


async def test_two_prices_of_one_time_are_a_conflict(api):
    body = {**PRICE, "effective_from": now() + 900}
    await api.client().post("/prices", body=body, cast_to=dict)
    with pytest.raises(openai.ConflictError) as refused:
        await api.client().post("/prices", body={**body, "input": 101}, cast_to=dict)
    assert refused.value.code == "dates_overlap"


async def test_only_administrators_change_prices_and_see_costs(api):
    client = api.client(api.key("inference", "billing"))
    asked = [
        client.post("/prices", body=PRICE, cast_to=dict),
        client.post("/prices/import", body={"format": "csv", "content": ""}, cast_to=dict),
        client.get("/prices?kind=cost", cast_to=dict),
        client.get("/prices/margin", cast_to=dict),
        client.get("/prices/derive?model=tiny", cast_to=dict),
    ]
    for each in asked:
        with pytest.raises(openai.PermissionDeniedError):
            await each
    assert await prices(api, api.key("inference"), model="tiny")


async def test_what_a_provider_asks_comes_with_its_deployment_and_is_not_shown_to_others(api):
    admin = api.client()
    provider = {"name": "house", "base_url": "http://127.0.0.1:9/v1", "private": True}
    await admin.post("/providers", body=provider, cast_to=dict)
    asked = {"currency": "USD", "input": 1, "output": 2}
    deployment = {"model": "grand", "provider": "house", "prices": {"currency": "USD", "input": 5, "output": 9}}
    made = await admin.post("/deployments", body=deployment, cast_to=dict)
    assert "cost" not in made
    deployment["prices"]["cost"] = asked
    made = await admin.post("/deployments", body=deployment, cast_to=dict)
    assert (made["cost"]["input"], made["cost"]["output"], made["prices"]["input"]) == (1, 2, 5)
    deployment["prices"] |= {"input": 6, "effective_from": now() + 900}
    made = await admin.post("/deployments", body=deployment, cast_to=dict)
    assert (made["prices"]["input"], [one["input"] for one in made["prices_to_come"]]) == (5, [6])
    shown = await api.client(api.key("inference")).get("/deployments/grand", cast_to=dict)
    assert "cost" not in shown
    [cost] = await prices(api, kind="cost")
    assert (cost["kind"], cost["provider"], cost["model"]) == ("cost", "house", "grand")
    body = {"model": "echo", "prices": {"currency": "USD", "input": 1, "output": 1, "cost": asked}}
    with pytest.raises(openai.BadRequestError) as refused:
        await admin.post("/deployments", body=body, cast_to=dict)
    assert refused.value.code == "cost_without_provider"


async def test_the_margin_is_of_the_callers_organization(api):
    with api.database.write() as tx:
        price = billing.current_prices(tx)["tiny"].id
        cost = billing.ensure_cost(tx, "house", "tiny", Terms("USD", 250, 250, 500))
        named = {"kind": "chat.completion", "model": "tiny", "base_model": "tiny", "key_id": None}
        times = {"started_us": now_us(), "finished_us": now_us()}
        used = [
            UsageEvent(id=f"req_{n}", project_id=project, price_version=price, prompt_tokens=10**6, **named, **times,
                       cost_version=cost)
            for n, project in enumerate((api.project_id, "proj_of_another_organization"))
        ]  # fmt: skip
        billing.record(tx, used)
    found = await api.client().get("/prices/margin", cast_to=dict)
    assert [(row["model"], row["provider"], row["revenue"], row["cost"], row["margin"], row["margin_percent"])
            for row in found["data"]] == [("tiny", "house", 1000, 250, 750, 75.0)]  # fmt: skip
    ledger = await api.client().get("/ledger", cast_to=dict)
    assert "provider_cost" not in ledger["balances"]
    status, table = await argosy(api, "prices", "margin")
    assert status == 0
    assert "0.000750 USD" in table
    assert "75.0" in table


async def test_a_price_is_derived_from_measured_speed_with_its_arithmetic(api, monkeypatch):
    from argosy.serving import pricing

    with pytest.raises(openai.BadRequestError) as refused:
        await api.client().get("/prices/derive", cast_to=dict, options={"params": {"model": "tiny"}})
    assert refused.value.code == "machine_price_missing"
    speeds = {"read_sixteen": 1000.0, "sixteen_streams": 100.0}
    found = pricing.derive("tiny", "Q4_0", speeds, (360_000, "USD"), 30)
    assert (found.input_cost, found.output_cost) == (100_000, 1_000_000)
    assert (found.input, found.output) == (142_858, 1_428_572), "rounded up: the margin is at least what was asked"
    for price, cost in ((found.input, found.input_cost), (found.output, found.output_cost)):
        assert (price - cost) * 100 >= 30 * price
    assert "1,000.0 tokens a second are 3,600,000 an hour" in found.arithmetic[1]
    assert pricing.derive("tiny", "Q4_0", speeds, (360_000, "USD"), 0).input == 100_000


async def test_the_command_line_sets_imports_and_shows(api, tmp_path):
    status, said = await argosy(
        api, "prices", "set", "tiny", "--currency", "USD", "--input", "150000", "--output", "600000",
        "--tier", "1000:300000:100000:900000", "--batch-discount", "40",
    )  # fmt: skip
    assert status == 0, said
    status, table = await argosy(api, "prices", "list")
    assert (status, "0.15" in table, "0.30" in table) == (0, True, True), table
    assert "> 1,000" in table
    file = tmp_path / "prices.csv"
    file.write_text("model,currency,input,output\ntiny,USD,160000,600000\n")
    status, plan = await argosy(api, "prices", "import", str(file), "--dry-run")
    assert (status, "150000 -> 160000" in plan, "1 would change" in plan) == (0, True, True), plan
    assert [row["input"] for row in await prices(api, model="tiny")] == [150_000], "nothing was done"
    status, done = await argosy(api, "prices", "import", str(file), "--json")
    assert [step["action"] for step in json.loads(done)["data"]] == ["changed"]
    _, again = await argosy(api, "prices", "import", str(file), "--json")
    assert [step["action"] for step in json.loads(again)["data"]] == ["unchanged"]
    _, told = await argosy(api, "prices", "history", "tiny", "--json")
    assert [row["input"] for row in json.loads(told)] == [1000, 150_000, 160_000]
    file.write_text("model,currency,input,output\ntiny,USD,=1+1,600000\n")
    status, said = await argosy(api, "prices", "import", str(file))
    assert (status, "line 2" in said) == (1, True)
