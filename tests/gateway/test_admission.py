"""Who is let in, who waits, and for how long: turns between projects, people before batches, bounds that hold."""

import asyncio
from dataclasses import replace

import httpx
import openai
import pytest

from argosy.core import RateLimited
from argosy.gateway.admission import Admission, Patience


class Door:
    """One target with a few places, and a record of who got in."""

    def __init__(self, cap=1, took_s=0.0, **patience):
        self.admission, self.cap, self.now = Admission(Patience(**patience), self.clock), cap, 0.0
        self.entered, self.tasks, self.leave = [], [], asyncio.Event()
        self.took_s = took_s

    def clock(self):
        return self.now

    async def learn(self, took_s):
        async with self.admission.slot("t", self.cap, "teacher"):
            self.now += took_s

    def ask(self, project, name=None, **kind):
        task = asyncio.ensure_future(self._visit(project, name or project, kind))
        self.tasks.append(task)
        return task

    async def _visit(self, project, name, kind):
        async with self.admission.slot("t", self.cap, project, **kind):
            self.entered.append(name)
            await self.leave.wait()

    @property
    def waiting(self):
        return self.admission.waiting()

    async def close(self):
        self.leave.set()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.admission.in_flight("t") == 0
        assert set(self.waiting.values()) == {0}


async def settle():
    for _ in range(8):
        await asyncio.sleep(0)


@pytest.fixture
async def door():
    made = Door()
    yield made
    await made.close()


async def drain(door, limit=100):
    """One at a time out and in, in the order of their turns."""
    for _ in range(limit):
        if not sum(door.waiting.values()):
            return
        before = len(door.entered)
        current = door.leave
        door.leave = asyncio.Event()
        current.set()
        await settle()
        assert len(door.entered) == before + 1


async def test_no_more_than_the_cap_are_in_and_zero_is_without_limit(door):
    door.cap = 3
    for number in range(5):
        door.ask("a", str(number))
    await settle()
    assert (door.entered, door.admission.in_flight("t"), door.waiting["interactive"]) == (["0", "1", "2"], 3, 2)
    door.cap = 0
    door.ask("a", "5")
    await settle()
    assert sorted(door.entered) == ["0", "1", "2", "3", "4", "5"], "a cap that is raised lets those in who wait"


async def test_a_project_that_floods_keeps_another_waiting_for_one_turn(door):
    for number in range(50):
        door.ask("flood", f"flood {number}")
    await settle()
    door.ask("b")
    door.ask("c")
    await settle()
    await drain(door, 4)
    assert door.entered[:5] == ["flood 0", "flood 1", "b", "c", "flood 2"]


async def test_projects_take_turns_and_within_one_the_first_comes_first(door):
    for name in ("a0", "a1", "a2", "b0", "b1", "c0"):
        door.ask(name[0], name)
    await settle()
    await drain(door)
    assert door.entered == ["a0", "a1", "b0", "c0", "a2", "b1"]


async def test_a_batch_waits_behind_all_people(door):
    for number in range(3):
        door.ask("a", f"batch {number}", batch=True)
    await settle()
    for number in range(2):
        door.ask("a", f"person {number}")
    await settle()
    assert door.waiting == {"interactive": 2, "batch": 2}
    await drain(door)
    assert door.entered == ["batch 0", "person 0", "person 1", "batch 1", "batch 2"]


async def test_who_leaves_the_queue_is_gone_at_once_and_a_place_just_given_passes_on(door):
    for name in ("in", "gone", "next", "last"):
        door.ask("a", name)
    await settle()
    door.tasks[1].cancel()
    await settle()
    assert door.waiting["interactive"] == 2
    door.leave.set()
    await asyncio.sleep(0)  # the first leaves, and gives its place to the next ...
    door.tasks[2].cancel()  # ... which leaves before it could notice
    door.leave = asyncio.Event()
    await settle()
    assert door.entered[0] == "in"
    assert "gone" not in door.entered
    assert "last" in door.entered
    assert door.admission.in_flight("t") == 1


async def test_who_would_wait_too_long_is_sent_away_with_the_time_it_takes(door):
    await door.learn(took_s=4.0)  # one place, four seconds each: two may wait for at most ten seconds
    for _ in range(3):
        door.ask("a")
    await settle()
    with pytest.raises(RateLimited, match="Try again in 2 s") as refused:
        await door.ask("a")
    assert (refused.value.code, refused.value.retry_after_s) == ("queue_long", 2)
    assert door.admission.refusals == {"queue_long": 1}
    fast = door.ask("b")  # another project's turn comes sooner
    await settle()
    assert not fast.done()


async def test_a_full_queue_makes_room_for_those_with_less_in_it():
    door = Door(length=6)
    flood = [door.ask("flood", f"flood {number}") for number in range(7)]
    await settle()
    with pytest.raises(RateLimited, match="wait for this model") as refused:
        await door.ask("flood")
    assert refused.value.code == "queue_full"
    other = door.ask("other")
    await settle()
    assert not other.done()
    with pytest.raises(RateLimited):
        await flood[-1]
    assert door.waiting["interactive"] == 6
    with pytest.raises(RateLimited):
        await door.ask("other", batch=True)
    await door.close()


async def test_a_batch_makes_room_for_people_and_never_the_other_way_round():
    door = Door(length=2)
    door.ask("a")
    batch = [door.ask("a", batch=True) for _ in range(2)]
    await settle()
    door.ask("a", "person")
    with pytest.raises(RateLimited):
        await batch[1]
    assert door.waiting == {"interactive": 1, "batch": 1}
    await door.close()


async def test_a_wait_that_was_thought_shorter_ends_all_the_same():
    door = Door(people_s=0.05, batch_s=5)
    await door.learn(0.01)
    door.ask("a")
    await settle()
    late, batch, firm = door.ask("a"), door.ask("a", batch=True), door.ask("a", firm=True)
    with pytest.raises(RateLimited) as refused:
        await late
    assert refused.value.code == "queue_timeout"
    assert not batch.done()
    assert not firm.done(), "part of a request that was let in: it is never sent away"
    await door.close()


async def test_many_come_and_go_and_no_place_is_lost():
    admission, running, most, passed = Admission(Patience(people_s=0.02, length=20)), 0, 0, 0

    async def visit(number):
        nonlocal running, most, passed
        async with admission.slot("t", 4, f"project {number % 5}", batch=number % 7 == 0):
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(0.001 * (number % 4))
            finally:
                running -= 1
        passed += 1

    tasks = []
    for number in range(400):
        tasks.append(asyncio.ensure_future(visit(number)))
        if number % 9 == 0:
            tasks[number // 2].cancel()
        if number % 5 == 0:
            await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), RateLimited, asyncio.CancelledError}
    assert most == 4
    assert passed > 20
    assert admission.in_flight("t") == 0
    assert admission.waiting() == {"interactive": 0, "batch": 0}


def narrow(api, slots):
    api.route([replace(route, slots=slots) for route in api.routes])


async def until(true):
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came to that")


async def gauge(api, name):
    async with httpx.AsyncClient() as http:
        lines = (await http.get(f"{api.url}/metrics")).text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_is_given_no_more_than_it_has_slots(api, stream):
    narrow(api, 2)
    api.engine.pause_s = 0.02
    asks = [asyncio.ensure_future(api.ask(stream=stream)) for _ in range(8)]
    await asyncio.sleep(0.01)
    seen = set()
    while not all(ask.done() for ask in asks):
        seen.add(api.gateway.admission.in_flight("rep_1"))
        await asyncio.sleep(0.003)
    for answer in asks:
        if stream:
            assert [chunk async for chunk in await answer]
    assert max(seen) == 2
    await api.settled(8)


async def test_a_client_that_leaves_the_queue_is_gone_and_pays_nothing(api):
    narrow(api, 1)
    async with api.gateway.admission.slot("rep_1", 1, "somebody"):
        leaving = asyncio.ensure_future(api.ask())
        await until(lambda: api.gateway.admission.waiting()["interactive"])
        queue = await gauge(api, "argosy_queue_length")
        assert sorted(queue.values()) == [0.0, 1.0]
        leaving.cancel()
        await until(lambda: not api.gateway.admission.waiting()["interactive"])
    assert (api.engine.bodies, api.gateway.admission.in_flight("rep_1")) == ([], 0)
    assert (await api.ask()).usage.total_tokens == 35
    await api.settled()


async def test_the_header_puts_a_request_behind_all_others(api):
    narrow(api, 1)
    api.engine.pause_s = 1.0
    order = []

    async def ask(name, priority):
        await api.ask(extra_headers={"x-argosy-priority": priority})
        order.append(name)

    asks = [asyncio.ensure_future(ask("first", "interactive"))]
    await until(lambda: api.gateway.admission.in_flight("rep_1"))
    for name, priority in (("batch", "batch"), ("person", "interactive")):
        asks.append(asyncio.ensure_future(ask(name, priority)))
        await until(lambda line=priority: api.gateway.admission.waiting()[line])
    await asyncio.gather(*asks)
    assert order == ["first", "person", "batch"]
    with pytest.raises(openai.BadRequestError, match="x-argosy-priority"):
        await api.ask(extra_headers={"x-argosy-priority": "urgent"})


async def test_a_full_queue_is_a_429_before_anything_is_billed(api):
    narrow(api, 1)
    api.gateway.admission._patience = Patience(people_s=0.05)
    async with api.gateway.admission.slot("rep_1", 1, "somebody"):
        with pytest.raises(openai.RateLimitError) as refused:
            await api.ask()
    assert refused.value.code == "queue_timeout"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert (api.events(), api.engine.bodies) == ([], [])
    assert await gauge(api, "argosy_refusals") == {'argosy_refusals_total{reason="queue_timeout"}': 1.0}
    assert (await gauge(api, "argosy_outcomes"))['argosy_outcomes_total{outcome="refused"}'] == 1.0


async def test_a_request_of_many_parts_is_finished_once_it_was_let_in(api):
    narrow(api, 2)
    api.gateway.admission._patience = Patience(people_s=0.05, length=1)
    api.engine.pause_s = 0.03
    answer = await api.ask(n=8)
    assert len(answer.choices) == 8
    assert await api.settled()
