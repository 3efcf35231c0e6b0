"""Nobody gets another one's answer, nor one that was broken, filtered, made by another model, or thrown away."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest
from tests.gateway import engine
from tests.gateway.cache.conftest import BODY
from tests.gateway.engine import running_engine
from tests.gateway.harness import Tariff

from argosy.billing import ensure_price
from argosy.catalog import point_alias
from argosy.gateway.cache import saving
from argosy.gateway.cache.key import Question
from argosy.gateway.route_spec import read_spec
from argosy.gateway.store import put_route
from argosy.runtime import bump_version


async def test_one_project_never_hits_anothers(api, ask):
    assert (await ask()).cache == "miss"
    assert (await ask(secret=api.other)).cache == "miss"
    assert (await ask(secret=api.other)).cache == "hit"
    assert (await ask(secret=api.key("inference"))).cache == "hit"
    assert api.gateway.cache.size(api.project_id)[0] == 1


FAULTS = ["cut", "error", "failure", "no done", "garbage events", "bad", "too long", "stall"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_went_wrong_is_not_kept(api, ask, fault, stream):
    api.engine.plan = [fault, fault, fault]
    told = await ask(stream=stream)
    api.engine.plan = []
    if told.status == 200 and not stream:  # the fault is one of streams
        return
    if "[DONE]" in told.raw:  # it was carried on, which is whole but not kept
        assert fault in ("cut", "error", "no done", "stall")
    assert api.gateway.cache.size(api.project_id) == (0, 0)
    assert (await ask(stream=stream)).cache == "miss"


@pytest.mark.parametrize("reason", ["content_filter", None, "error"])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_did_not_end_of_its_own_is_not_kept(api, ask, reason, stream, monkeypatch):
    monkeypatch.setattr(engine, "_whole", ending(engine._whole, reason))
    monkeypatch.setattr(engine, "_events", endings(engine._events, reason))
    assert (await ask(stream=stream)).status == 200
    assert api.gateway.cache.size(api.project_id) == (0, 0)


def ending(make, reason):
    def made(*arguments):
        answer = make(*arguments)
        answer["choices"][0]["finish_reason"] = reason
        return answer

    return made


def endings(make, reason):
    def made(*arguments):
        events = make(*arguments)
        for event in events:
            for choice in event["choices"]:
                choice["finish_reason"] = choice["finish_reason"] and reason
        return events

    return made


async def test_a_client_that_leaves_keeps_nothing(api, ask):
    api.engine.pause_s = 0.1
    content = json.dumps({**BODY, "stream": True})
    headers = {"authorization": f"Bearer {api.secret}", "x-argosy-cache": "on"}
    async with api.http.stream("POST", "/v1/chat/completions", content=content, headers=headers) as response:
        async for _ in response.aiter_text():
            break
    await asyncio.sleep(0.2)
    api.gateway.cache.settle()
    assert api.gateway.cache.size(api.project_id) == (0, 0)


async def test_another_revision_price_or_engine_misses(api, ask):
    [base, *rest] = api.routes
    assert (await ask()).cache == "miss"
    for changed in (replace(base, revision="dep_1 2 a"), replace(base, engine="other"), replace(base, replica_id="r")):
        api.route([changed, *rest])
        told = await ask()
        assert told.cache == ("hit" if changed.replica_id == "r" else "miss")
    api.route([base, *rest])
    assert (await ask()).cache == "hit"
    with api.database.write() as tx:
        ensure_price(tx, "tiny", type("Dear", (Tariff,), {"input": 9000})())
        bump_version(tx)
    api.gateway.refresh()
    assert (await ask()).cache == "miss"


async def test_the_adapter_and_its_base_are_two_models(api, ask):
    assert (await ask()).cache == "miss"
    assert (await ask(model="ft:tiny:argosy:mine:1")).cache == "miss"
    assert (await ask(model="ft:tiny:argosy:mine:1")).cache == "hit"
    assert (await ask(model="ft:tiny:argosy:theirs:2")).status == 404


async def test_a_moved_alias_misses_and_its_model_hits_by_its_own_name(api, ask):
    with api.database.write() as tx:
        point_alias(tx, api.project_id, "mine", "tiny", ["tiny", "huge"])
    [base, *rest] = api.routes
    api.route([base, replace(base, model="huge"), *rest])
    assert (await ask(model="mine")).cache == "miss"
    told = await ask()
    assert (told.cache, told.json["model"]) == ("hit", "tiny")
    with api.database.write() as tx:
        point_alias(tx, api.project_id, "mine", "huge", ["tiny", "huge"])
    api.gateway.refresh()
    assert (await ask(model="mine")).cache == "miss"


async def test_a_backups_answer_is_not_the_primarys(api, ask):
    async with running_engine() as other:
        [base, *rest] = api.routes
        api.route([base, replace(base, model="backup", url=other.url), *rest])
        spec = {"targets": [{"model": "tiny"}, {"model": "backup", "priority": 1}]}
        with api.database.write() as tx:
            put_route(tx, api.project_id, "chat", read_spec(spec))
        api.gateway.refresh()
        api.engine.plan = ["failure"]
        told = await ask(model="chat")
        assert (told.cache, told.headers["x-argosy-target"], told.json["model"]) == ("miss", "backup", "backup")
        assert (await ask(model="backup")).cache == "hit"
        assert (await ask(model="chat")).cache == "miss"
        told = await ask(model="chat")
        assert (told.cache, told.json["model"]) == ("hit", "tiny")


async def test_a_project_empties_its_own_and_says_what_holds(api, ask):
    await ask()
    await ask(secret=api.other)
    client = api.client()
    assert (await client.get("/cache", cast_to=dict))["entries"] == 1
    assert (await client.delete("/cache", cast_to=dict))["entries"] == 1
    assert (await ask(secret=api.other)).cache == "hit"
    assert (await ask()).cache == "miss"
    shown = await client.put("/cache", body={"mode": "on"}, cast_to=dict)
    assert (shown["mode"], shown["entries"]) == ("on", 1)
    api.gateway.refresh()
    assert (await ask(mode=None)).cache == "hit"
    assert (await ask(mode="off")).cache is None
    assert (await ask(mode=None, secret=api.other)).cache is None
    refused = await api.http.delete("/v1/cache", headers={"authorization": f"Bearer {api.key('inference')}"})
    assert refused.status_code == 403
    wrong = await api.http.put("/v1/cache", json={"mode": "x"}, headers={"authorization": f"Bearer {api.secret}"})
    assert wrong.status_code == 400


async def test_what_was_under_way_when_it_was_emptied_does_not_come_back(api, ask):
    api.engine.pause_s = 0.2
    asking = asyncio.create_task(ask())
    while not api.engine.bodies:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(api.gateway.cache.empty, api.project_id)
    assert (await asking).cache == "miss"
    assert api.gateway.cache.size(api.project_id) == (0, 0)


async def test_a_client_that_leaves_during_the_look_leaves_nothing_open(api, monkeypatch):
    looking = asyncio.Event()

    async def find(key):
        looking.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(api.gateway.cache, "find", find)
    asking = asyncio.create_task(api.ask(temperature=0, extra_headers={"x-argosy-cache": "on"}))
    await asyncio.wait_for(looking.wait(), 5)
    asking.cancel()
    for _ in range(200):
        if not api.journal.open_requests:
            break
        await asyncio.sleep(0.01)
    assert (api.journal.open_requests, api.events(), api.engine.bodies) == (0, [], [])
    assert api.metrics.in_flight == 0


async def test_a_long_body_is_looked_through_beside_the_loop(api, ask, monkeypatch):
    threads = []
    monkeypatch.setattr(saving, "Question", lambda request: threads.append(threading.get_ident()) or Question(request))
    long = [{"role": "user", "content": "x" * 200_000}]
    assert [(await ask(messages=long)).cache for _ in range(2)] == ["miss", "hit"]
    assert threading.get_ident() not in threads
    assert len(threads) == 2
