"""Of several replicas one with room is asked: nobody waits at a full one while another has a free place."""

import asyncio
from dataclasses import replace

import pytest
from tests.gateway.engine import running_engine
from tests.gateway.harness import running_api
from tests.gateway.test_admission import until

from argosy.gateway import Deadlines
from argosy.gateway.admission import Admission, Patience
from argosy.gateway.health import HealthTable


@pytest.fixture
async def pair(tmp_path):
    """Two replicas of "tiny" with two places each: ``api.engine`` and ``api.second``."""
    async with running_api(tmp_path, Deadlines(silence=60)) as api, running_engine() as second:
        api.second = second
        first = [replace(one, slots=2) for one in api.routes]
        api.route([*first, *(replace(one, url=second.url, replica_id="rep_2") for one in first)])
        yield api


def places(api):
    return [api.gateway.admission.in_flight(name) for name in ("rep_1", "rep_2")]


async def test_where_one_replica_is_full_no_request_waits(pair):
    pair.gateway.admission._patience = Patience(people_s=0.0)  # whoever has to wait is sent away at once
    health = pair.gateway._dispatch.health
    health[pair.engine.url].latency_s, health[pair.second.url].latency_s = 0.0001, 5.0  # the full one looks better
    slot = pair.gateway.admission.slot
    async with slot("rep_1", 2, "somebody"), slot("rep_1", 2, "somebody"):
        for _ in range(12):
            await pair.ask()
    assert (len(pair.engine.bodies), len(pair.second.bodies)) == (0, 12)


@pytest.mark.parametrize("stream", [False, True])
async def test_all_places_are_taken_before_anybody_waits(pair, stream):
    pair.engine.plan, pair.second.plan = ["hang"] * 9, ["hang"] * 9
    asks = []
    for taken in range(1, 5):
        asks.append(asyncio.ensure_future(pair.ask(stream=stream)))
        await until(lambda number=taken: sum(places(pair)) == number)
        assert pair.gateway.admission.waiting()["interactive"] == 0
    assert places(pair) == [2, 2]
    asks.append(asyncio.ensure_future(pair.ask(stream=stream)))
    await until(lambda: pair.gateway.admission.waiting()["interactive"] == 1)
    for ask in asks:
        ask.cancel()
    await asyncio.gather(*asks, return_exceptions=True)
    await until(lambda: places(pair) == [0, 0])


async def test_a_place_is_ahead_until_it_is_left_and_a_line_counts_with_it():
    admission = Admission()
    assert admission.ahead("t", 1) == 0
    async with admission.slot("t", 1, "a"):
        assert (admission.ahead("t", 1), admission.ahead("t", 2), admission.ahead("t", 0)) == (1, 0, 0)
        waiting = asyncio.ensure_future(admission.slot("t", 1, "b", firm=True).__aenter__())
        await until(lambda: admission.waiting()["interactive"])
        assert admission.ahead("t", 1) == 2
    await waiting
    assert admission.ahead("t", 1) == 1


def test_where_all_are_full_the_shorter_line_goes_before_the_better_latency():
    table = HealthTable()
    for name, latency_s in (("quick", 0.001), ("slow", 9.0)):
        table[name].latency_s = latency_s
    lines = {"quick": 3, "slow": 2}
    assert {table.best(["quick", "slow"], str, lines.__getitem__) for _ in range(20)} == {"slow"}
    lines["slow"] = 3
    assert {table.best(["quick", "slow"], str, lines.__getitem__) for _ in range(20)} == {"quick"}


def test_one_that_is_out_is_not_asked_for_its_room():
    table = HealthTable()
    table["out"].open_until = table.clock() + 60
    assert table.best(["out", "full"], str, {"out": 0, "full": 5}.__getitem__) == "full"


def test_a_single_replica_is_not_asked_about_its_line():
    assert HealthTable().best(["alone"], str, lambda _: pytest.fail("it is the only one")) == "alone"
