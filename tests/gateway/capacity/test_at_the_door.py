"""Capacity and the waitlist over HTTP and on the command line, through a whole gateway."""

import asyncio
import json

import httpx
import openai
import pytest
from tests.gateway.harness import QUESTION, running_api
from tests.gateway.limits.test_at_the_door import argosy

from argosy.identity import create_project
from argosy.serving import Spec
from argosy.serving.store import set_outcome, want_deployment


@pytest.fixture
async def api(tmp_path):
    """With "tiny" deployed and measured: 6,000 tokens a minute."""
    async with running_api(tmp_path) as running:
        with running.database.write() as tx:
            made = want_deployment(tx, running.project_id, "tiny", Spec("llama_cpp"))
            measured = {"Q8_0": {"sixteen_streams": 100.0, "read_sixteen": 250.0}}
            set_outcome(tx, made.id, 1, fit={"quantisation": "Q8_0", "measured": measured})
            create_project(tx, running.project_id, "late")
        yield running


async def put(api, path, **body):
    answer = await api.client().put(path, body=body, cast_to=httpx.Response)
    return answer.status_code, answer.json()


async def get(api, path):
    return (await api.client().get(path, cast_to=dict))["data"]


async def test_capacity_is_compared_with_what_is_sold(api):
    await put(api, "/limits", tokens_per_minute=4_000)
    await put(api, "/limits", project="late", tokens_per_minute=5_000)
    [tiny] = await get(api, "/capacity")
    assert (tiny["tokens_per_minute"], tiny["source"], tiny["written_per_s"]) == (6_000, "measured", 100.0)
    assert (tiny["sold_tokens_per_minute"], tiny["left_tokens_per_minute"], tiny["waitlist"]) == (9_000, -3_000, False)
    assert sorted(one["tokens_per_minute"] for one in tiny["promised"]) == [4_000, 5_000]
    assert tiny["projects_without_promise"] == 1, "the stranger's"


async def test_a_limit_that_is_too_much_is_a_202_with_its_place_and_is_granted_when_there_is_room(api):
    status, tiny = await put(api, "/capacity/tiny", waitlist=True)
    assert (status, tiny["waitlist"], tiny["waiting"]) == (200, True, 0)
    assert (await put(api, "/limits", tokens_per_minute=6_000))[0] == 200
    status, held = await put(api, "/limits", project="late", tokens_per_minute=1_000)
    assert (status, held["object"], held["state"], held["place"]) == (202, "limit.waiting", "waiting", 1)
    assert (held["waits_for"], held["model"], held["tokens_per_minute"]) == (["tiny"], None, 1_000)
    assert await put(api, "/limits", project="late", tokens_per_minute=1_000) == (202, held)
    assert await get(api, "/limits?project=late") == []
    assert [one["id"] for one in await get(api, "/waitlist?state=waiting")] == [held["id"]]
    assert (await get(api, "/capacity"))[0]["waiting"] == 1
    await api.client().post("/deployments", body={"model": "tiny", "engine": "echo", "replicas": 2}, cast_to=dict)
    api.gateway.refresh()
    assert await get(api, "/limits?project=late") == [], "by an engine that nobody measured, nothing more is promised"
    status, tiny = await put(api, "/capacity/tiny", tokens_per_minute=8_000)
    assert (status, tiny["source"], tiny["left_tokens_per_minute"], tiny["waiting"]) == (200, "given", 1_000, 0)
    [granted] = await get(api, "/limits?project=late")
    assert granted["tokens_per_minute"] == 1_000
    [row] = await get(api, "/waitlist")
    assert (row["state"], row["place"], row["decided_by"]) == ("granted", None, None)


async def test_a_second_replica_is_enough_without_anybodys_doing(api):
    await put(api, "/capacity/tiny", waitlist=True)
    await put(api, "/limits", tokens_per_minute=6_000)
    await put(api, "/limits", project="late", tokens_per_minute=6_000)
    with api.database.write() as tx:
        want_deployment(tx, api.project_id, "tiny", Spec("llama_cpp"), replicas=2)
    for _ in range(2_000):  # a running gateway looks by itself
        if await get(api, "/limits?project=late"):
            break
        await asyncio.sleep(0.01)
    assert [one["tokens_per_minute"] for one in await get(api, "/limits?project=late")] == [6_000]
    assert (await api.client().chat.completions.create(model="tiny", messages=QUESTION)).usage.total_tokens == 35


async def test_mistakes_and_strangers(api):
    with pytest.raises(openai.NotFoundError):
        await put(api, "/capacity/nothing", waitlist=True)
    for body in ({"waitlist": "perhaps"}, {"waitlist": None}, {"tokens_per_minute": -1}, {"oversell": 2}):
        with pytest.raises(openai.BadRequestError):
            await put(api, "/capacity/tiny", **body)
    for verb, path in (("post", "/waitlist/wait_nothing/grant"), ("delete", "/waitlist/wait_nothing")):
        with pytest.raises(openai.NotFoundError, match="argosy waitlist"):
            await getattr(api.client(), verb)(path, cast_to=dict)
    with pytest.raises(openai.NotFoundError):
        await get(api, "/waitlist?after=wait_nothing")
    for secret in (api.other, api.key("inference", "billing", "tuning")):
        for path in ("/capacity", "/waitlist"):
            with pytest.raises(openai.PermissionDeniedError):
                await api.client(secret).get(path, cast_to=dict)
        with pytest.raises(openai.PermissionDeniedError):
            await api.client(secret).put("/capacity/tiny", body={"waitlist": False}, cast_to=dict)


async def test_the_command_line(api):
    assert (await argosy(api, "capacity", "set", "tiny", "--waitlist", "on"))[0] == 0
    assert (await argosy(api, "limits", "set", "--tokens", "6000"))[0] == 0
    status, said = await argosy(api, "limits", "set", "--tokens", "7000")
    assert (status, "Not set yet: it waits for tiny, place 1" in said) == (0, True)
    _, listed = await argosy(api, "waitlist", "--json")
    [row] = json.loads(listed)
    _, shown = await argosy(api, "capacity", "--json")
    assert json.loads(shown)[0]["waiting"] == 1
    assert "tiny" in (await argosy(api, "capacity"))[1]
    _, granted = await argosy(api, "waitlist", "grant", row["id"], "--json")
    assert json.loads(granted)[0]["state"] == "granted"
    status, said = await argosy(api, "waitlist", "withdraw", row["id"])
    assert (status, "granted before" in said) == (1, True)
    assert json.loads((await argosy(api, "waitlist", "--all", "--json"))[1])[0]["decided_by"].startswith("key_")
    assert (await argosy(api, "capacity", "set", "tiny", "--waitlist", "perhaps"))[0] == 1
