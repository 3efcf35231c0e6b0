"""``argosy credits``, ``budgets``, ``webhooks``, ``alerts`` as a person reads them: ids, amounts and a secret whole."""

import json
import re
import time

import pytest
from tests.gateway.harness import running_api
from tests.gateway.limits.test_at_the_door import argosy

from argosy import billing
from argosy.billing import UsageEvent
from argosy.core import now_us


@pytest.fixture
async def api(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    async with running_api(tmp_path) as running:
        yield running


async def said(api, *words):
    code, told = await argosy(api, *words)
    assert code == 0, told
    return told


def lines(told):
    """What a tall table says, by name: of its last row."""
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in told.splitlines())}


def use(api, name, tokens):
    with api.database.write() as tx:
        price = billing.current_prices(tx)["tiny"].id
        named = {"kind": "chat.completion", "model": "tiny", "base_model": "tiny", "key_id": None}
        times = {"started_us": now_us(), "finished_us": now_us()}
        counted = {"project_id": api.project_id, "price_version": price, "prompt_tokens": tokens}
        event = UsageEvent(id=name, **named, **times, **counted)
        billing.record(tx, [event])


async def test_a_webhooks_secret_and_id_can_be_copied(api):
    told = await said(api, "webhooks", "add", "https://hooks.example/" + "x" * 60)
    secret = told.splitlines()[-1]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert "shown this once" in told
    id_ = lines(told)["id"]
    assert lines(told)["events"] == "budget.threshold_reached, credits.threshold_reached"
    assert lines(told)["private"] == "no"
    listed = await said(api, "webhooks", "list")
    assert id_ in listed
    assert "whsec_" not in listed
    assert "pending" in await said(api, "webhooks", "test", id_)
    sent = lines(await said(api, "webhooks", "deliveries"))
    assert (sent["webhook_id"], sent["event"], sent["attempts"]) == (id_, "webhook.test", "0")
    assert sent["again_at"].endswith("UTC")
    assert await said(api, "webhooks", "remove", id_) == f"{id_} is removed.\n"
    assert await said(api, "webhooks", "list") == "Nothing yet.\n"
    code, told = await argosy(api, "webhooks", "remove", id_)
    assert (code, told) == (1, f"argosy: There is no webhook '{id_}'. GET /v1/webhooks lists them.\n")
    [made] = json.loads(await said(api, "webhooks", "add", "http://10.0.0.1/x", "--private", "--json"))
    assert made["secret"].startswith("whsec_")


async def test_credits_are_given_listed_and_added_up(api):
    granted = lines(await said(api, "credits", "grant", "5 USD", "--scope", "organization", "--days", "30"))
    assert (granted["amount"], granted["remaining"], granted["note"]) == ("5.000000 USD", "5.000000 USD", "-")
    assert granted["expires_at"].startswith(time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400)))
    paid = lines(await said(api, "credits", "top-up", "20 USD", "--note", "transfer 17", "--key", "17"))
    assert (paid["kind"], paid["expires_at"], paid["note"]) == ("top_up", "never", "transfer 17")
    again = lines(await said(api, "credits", "top-up", "20 USD", "--note", "transfer 17", "--key", "17"))
    assert again["id"] == paid["id"]
    listed = await said(api, "credits", "list")
    assert [one["id"] in listed for one in (granted, paid)] == [True, True]
    left = lines(await said(api, "credits", "balance"))
    assert (left["available"], left["granted"], left["paid"]) == ("25.000000 USD", "5.000000 USD", "20.000000 USD")


async def test_what_is_wrong_is_said_in_a_line(api):
    for words, expected in (
        (("credits", "top-up", "5"), "'5' is no amount of money; write it like 1.25 USD."),
        (("credits", "grant", "5 EUR", "--scope", "organization"), "Prices here are in USD, and this is in EUR."),
        (("credits", "grant", "5 USD", "--scope", "galaxy"), "'scope' is 'organization', 'project:<id>'"),
        (("webhooks", "add", "http://hooks.example/"), "messages travel over https only"),
        (("webhooks", "add", "https://hooks.example/", "--event", "x"), "budget.threshold_reached"),
        (("budgets", "set", "5"), "write it like 1.25 USD."),
    ):
        code, told = await argosy(api, *words)
        assert (code, told.count("\n"), told[:8]) == (1, 1, "argosy: ")
        assert expected in told


async def test_alerts_are_told_in_money_and_percent(api):
    made = lines(await said(api, "budgets", "set", "0.01 USD", "--organization", "--soft", "--at", "50"))
    assert (made["kind"], made["told_at"], made["period"]) == ("soft", "50%", "month")
    assert re.fullmatch(r"\d{4}-\d\d-01 00:00 UTC", made["begins_anew"])
    use(api, "req_1", 6_000_000)
    told = lines(await said(api, "alerts"))
    assert (told["threshold"], told["used"], told["allowed"]) == ("50%", "0.006000 USD", "0.010000 USD")
    listed = lines(await said(api, "budgets", "list"))
    assert (listed["id"], listed["remaining"]) == (made["id"], "0.004000 USD")
    once = lines(await said(api, "budgets", "set", "1 USD", "--once"))
    assert (once["period"], once["begins_anew"]) == ("once", "never")


async def test_where_there_is_room_a_table_is_a_table(api, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    told = await said(api, "credits", "grant", "5 USD", "--scope", "model:tiny")
    assert [len(line.split()) > 5 for line in told.splitlines()] == [True, True]
