"""The gateway pins what is in force: a price to come is picked up without a restart, and the cost is the answerer's."""

import asyncio
import time
from dataclasses import replace as replaced
from types import SimpleNamespace

import pytest
from tests.gateway.engine import running_engine
from tests.gateway.harness import QUESTION, Tariff, running_api
from tests.gateway.test_failover import BACKUP_PRICES, PRICES, offer, route
from tests.gateway.test_routing import route as led
from tests.gateway.test_routing import table

from argosy import billing
from argosy.billing import Terms
from argosy.billing.prices import store
from argosy.core import SteadyClock, clock, now
from argosy.gateway import Deadlines
from argosy.gateway.routing import Configuration, Offer

COST = {"currency": "USD", "input": 500_000, "output": 700_000}
BACKUP_COST = {"currency": "USD", "input": 50_000, "output": 70_000}


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=5, replica=0.5, poll=0.01)) as running:
        yield running


async def test_a_price_to_come_is_pinned_within_a_second_of_its_time(api):
    begins = now() + 2
    body = {"model": "tiny", "currency": "USD", "input": 7, "output": 7, "effective_from": begins}
    made = await api.client().post("/prices", body=body, cast_to=dict)
    assert (made["state"], made["effective_from"]) == ("scheduled", begins)
    await api.ask()
    while time.time() < begins + 1:
        await asyncio.sleep(0.05)
    await api.ask()
    before, after = await api.settled(2)
    assert before.price_version != made["id"]
    assert after.price_version == made["id"]
    listed = await api.client().get("/prices", cast_to=dict)
    assert {row["model"]: row["state"] for row in listed["data"]}["tiny"] == "in_force"


def test_the_table_never_goes_back_to_an_older_price(database, monkeypatch):
    machine = SimpleNamespace(at=1_900_000_000.0, time=lambda: machine.at)
    monkeypatch.setattr(clock, "time", machine)
    monkeypatch.setattr(store, "_CLOCK", SteadyClock())
    found = table(database, led("base-8b"))
    with database.write() as tx:
        first = billing.current_prices(tx)["base-8b"].id
        later = billing.ensure_price(tx, "base-8b", Terms("USD", 5, 5, 5), int(machine.at) + 60)
    assert found.refresh()
    assert found.find("proj_a", "base-8b").price_version == first
    machine.at += 59
    assert not found.refresh()
    machine.at += 1
    assert found.refresh()
    assert found.find("proj_a", "base-8b").price_version == later
    assert not found.refresh(), "only once"
    machine.at -= 7200
    with database.write() as tx:
        billing.ensure_price(tx, "other", Tariff())  # read anew for another reason
    assert found.refresh()
    assert found.find("proj_a", "base-8b").price_version == later


def test_one_that_begins_while_the_prices_are_read_is_looked_for_once_more(database, monkeypatch):
    machine = SimpleNamespace(at=1_900_000_000.0, time=lambda: machine.at)
    monkeypatch.setattr(clock, "time", machine)
    monkeypatch.setattr(store, "_CLOCK", SteadyClock())
    found = table(database, led("base-8b"))

    def read(tx):
        prices = billing.current_prices(tx)
        machine.at += 60
        return Configuration([led("base-8b")], prices)

    with database.write() as tx:
        later = billing.ensure_price(tx, "base-8b", Terms("USD", 5, 5, 5), int(machine.at) + 30)
    found._read = read
    assert found.refresh()
    assert found.find("proj_a", "base-8b").price_version != later
    assert found.refresh()
    assert found.find("proj_a", "base-8b").price_version == later


async def test_the_cost_is_that_of_who_answered_after_a_failover_too(api):
    async with running_engine() as primary, running_engine() as backup:
        await offer(api, "primary", primary, PRICES | {"cost": COST})
        await offer(api, "backup", backup, BACKUP_PRICES | {"cost": BACKUP_COST})
        await route(api, [{"model": "primary"}, {"model": "backup", "priority": 1}])
        with api.database.read() as tx:
            costs = billing.current_costs(tx)
        await api.ask(model="chat", messages=QUESTION)
        primary.plan = ["failure"]
        await api.ask(model="chat", messages=QUESTION)
        await api.ask(model="tiny")
        one, two, ours = await api.settled(3)
    assert one.cost_version == costs["primary", "primary"].id
    assert (two.model, two.cost_version) == ("backup", costs["backup", "backup"].id)
    assert ours.cost_version == "", "an engine of ours is nobody's to be paid"
    with api.database.write() as tx:
        assert billing.record(tx, [one, two, ours]) == 3
        parties = {entry.party: entry.amount for entry in billing.list_entries(tx, "", 0, 10) if entry.amount > 0}
        owed = {name: 0 for name in ("primary", "backup")}
        for event, cost in ((one, COST), (two, BACKUP_COST)):
            owed[event.model] = round(
                (event.prompt_tokens * cost["input"] + event.completion_tokens * cost["output"]) / 1e6
            )
    assert parties.keys() == {name for name, amount in owed.items() if amount}
    assert all(abs(parties[name] - owed[name]) <= 1 for name in parties)  # each quantity is rounded on its own


def test_a_price_has_a_batch_rate_of_its_own_or_the_platforms():
    plain = Offer(led("ship"), "price_1", b"")
    own = replaced(plain, batch_discount=20)
    free = replaced(plain, batch_discount=0)
    assert [one.discount(50, "batch_1") for one in (plain, own, free)] == [50, 20, 0]
    assert [one.discount(0, None) for one in (plain, own, free)] == [0, 0, 0], "outside of batches nobody has one"


async def test_an_answer_from_the_cache_owes_no_provider_anything_whatever_we_charge_for_it(api):
    api.gateway.cache.charge_percent = 30
    async with running_engine() as primary:
        await offer(api, "primary", primary, PRICES | {"cost": COST})
        api.gateway.refresh()
        client = api.client()
        for _ in range(2):
            await client.chat.completions.create(
                model="primary", messages=QUESTION, temperature=0, extra_headers={"x-argosy-cache": "on"}
            )
            api.gateway.cache.settle()
        made, kept = await api.settled(2)
    assert (made.outcome, kept.outcome) == ("complete", "cached")
    assert made.cost_version
    assert kept.prompt_tokens > 0
    assert kept.cost_version == ""
