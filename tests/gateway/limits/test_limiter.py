"""Many processes, one limit: fake clocks, and every minute of them is looked at."""

import asyncio
import json
from collections import Counter

import pytest
from sqlalchemy import event
from tests.fresh import fresh_database
from tests.gateway.limits.test_window import most_in_a_window

from argosy.core import Invalid, RateLimited, Unavailable
from argosy.gateway.limits import RateLimits, put_limit, remove_limit
from argosy.gateway.limits.window import SECOND_US
from argosy.gateway.reading import parse
from argosy.gateway.requests import Kind
from argosy.identity import Caller, bootstrap

START_US = 1_800_000_000 * SECOND_US


class Time:
    """One time for the processes' clocks and the database's."""

    now_s = 50.0

    def __call__(self):
        return self.now_s

    def database(self, _):
        return START_US + round(self.now_s * SECOND_US)


class Scene:
    """A project with limits, and as many processes as a test wants."""

    def __init__(self, database):
        self.database, self.time = database, Time()
        with database.write() as tx:
            self.project_id = bootstrap(tx).project_id

    def set(self, requests=None, tokens=None, scope="project", subject=""):
        with self.database.write() as tx:
            return put_limit(tx, self.project_id, scope, subject, requests, tokens)

    def process(self):
        made = RateLimits(self.database, self.time, self.time.database)
        made.refresh()
        return made

    def caller(self, key="key_1"):
        return Caller(key, self.project_id, "org", "argosy", frozenset({"inference"}))


@pytest.fixture
def each(database):
    """A scene on each database."""
    return Scene(database)


@pytest.fixture
def scene(home):
    database = fresh_database(home / "argosy.sqlite")
    yield Scene(database)
    database.close()


def chat(max_tokens=10, **members):
    written = "".join(f',"{name}":{value}' for name, value in members.items())
    body = b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"max_tokens":%d%s}'
    return parse(Kind.CHAT, body % (max_tokens, written.encode()))


async def ask_until_refused(process, scene):
    for _ in range(1000):
        await process.reserve(scene.caller(), chat())


async def test_processes_together_let_no_more_through_than_the_limit(each):
    """The case of LiteLLM #6938: a limit of 100, of which 544 passed."""
    scene = each
    scene.set(requests=100)
    processes = [scene.process() for _ in range(4)]
    passed, refused = [], []

    async def ask(process):
        try:
            hold = await process.reserve(scene.caller(), chat())
            passed.append((round(scene.time.now_s * SECOND_US), 1))
            hold.settle(12, True)
        except RateLimited:
            refused.append(1)

    for _ in range(150):  # of 75 seconds together
        await asyncio.gather(*(ask(process) for process in processes for _ in range(4)))
        scene.time.now_s += 0.5
    assert 97 <= most_in_a_window(passed) <= 100
    assert len(passed) + len(refused) == 150 * 16
    assert len(passed) >= 110, "what was let through first is free again after 62 seconds"


async def test_a_request_sent_after_the_time_it_was_told_is_let_through(each):
    scene = each
    scene.set(requests=5)
    first, second = scene.process(), scene.process()
    scene.time.now_s = 50.7
    for _ in range(5):
        await first.reserve(scene.caller(), chat())
    for process in (first, second):
        with pytest.raises(RateLimited, match="limit of 5 requests") as refused:
            await process.reserve(scene.caller(), chat())
        assert 60 <= refused.value.retry_after_s <= 62
    scene.time.now_s += refused.value.retry_after_s
    assert await second.reserve(scene.caller(), chat())


async def test_tokens_are_set_aside_and_settled_with_what_was_used(each):
    scene = each
    scene.set(tokens=200)
    process = scene.process()
    request = chat(max_tokens=150)
    hold = await process.reserve(scene.caller(), request)
    with pytest.raises(RateLimited, match="tokens a minute"):
        await process.reserve(scene.caller(), request)
    hold.settle(31, True)
    hold.settle(0, False)  # a second ending changes nothing
    assert process.headers(scene.caller(), "tiny")["x-ratelimit-remaining-tokens"] == "169"
    hold = await process.reserve(scene.caller(), chat(max_tokens=140))
    assert hold
    hold.settle(400, True)  # more than anybody could know: it is paid back out of the minute
    scene.time.now_s += 61
    with pytest.raises(RateLimited):
        await process.reserve(scene.caller(), request)
    scene.time.now_s += 3
    assert await process.reserve(scene.caller(), request)


async def test_what_one_process_gives_back_another_can_have(scene):
    scene.set(requests=1, tokens=200)
    first, second = scene.process(), scene.process()
    hold = await first.reserve(scene.caller(), chat(150))
    with pytest.raises(RateLimited):
        await second.reserve(scene.caller(), chat(150))
    hold.settle(0, False)
    scene.time.now_s += 1  # over: the lease of the first, and for how long the second remembers that it was refused
    await first.stop()
    assert await second.reserve(scene.caller(), chat(150))


async def test_a_killed_process_blocks_its_share_for_a_minute_and_no_longer(scene):
    scene.set(requests=10)
    killed = scene.process()
    for _ in range(10):
        await killed.reserve(scene.caller(), chat())
    del killed
    process = scene.process()
    with pytest.raises(RateLimited):
        await process.reserve(scene.caller(), chat())
    scene.time.now_s += 62
    assert await process.reserve(scene.caller(), chat())


async def test_every_limit_that_applies_must_have_room(scene):
    scene.set(requests=100)
    scene.set(requests=2, scope="key", subject="key_1")
    scene.set(requests=3, scope="model", subject="tiny")
    process = scene.process()
    for _ in range(2):
        await process.reserve(scene.caller(), chat())
    with pytest.raises(RateLimited, match="limit of 2 requests"):
        await process.reserve(scene.caller(), chat())
    await process.reserve(scene.caller("key_2"), chat())
    with pytest.raises(RateLimited, match="limit of 3 requests"):
        await process.reserve(scene.caller("key_2"), chat())
    assert process.headers(scene.caller("key_2"), "tiny")["x-ratelimit-limit-requests"] == "3"
    assert process.headers(scene.caller("key_2"), "other")["x-ratelimit-limit-requests"] == "100"
    assert process.headers(Caller("k", "elsewhere", "o", "s", frozenset()), "tiny") == {}


async def test_a_change_holds_after_the_next_refresh(each):
    scene = each
    limit = scene.set(requests=1)
    process = scene.process()
    await process.reserve(scene.caller(), chat())
    with pytest.raises(RateLimited):
        await process.reserve(scene.caller(), chat())
    scene.set(requests=2)
    process.refresh()
    scene.time.now_s += 0.3
    await process.reserve(scene.caller(), chat())
    with pytest.raises(RateLimited):
        await process.reserve(scene.caller(), chat())
    with scene.database.write() as tx:
        remove_limit(tx, scene.project_id, limit.id)
    scene.time.now_s += 0.3
    assert await process.reserve(scene.caller(), chat()), "not yet refreshed, and already gone: nobody is refused"
    process.refresh()
    assert await process.reserve(scene.caller(), chat()) is None


async def test_a_request_that_could_never_pass_is_told_so_and_a_guess_never_is(scene):
    scene.set(tokens=100)
    process = scene.process()
    with pytest.raises(Invalid, match="never be let through") as refused:
        await process.reserve(scene.caller(), chat(max_tokens=60, n=2))
    assert (refused.value.code, refused.value.param) == ("over_token_limit", "max_tokens")
    guessed = parse(Kind.CHAT, b'{"model":"tiny","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 999))
    assert await process.reserve(scene.caller(), guessed)


async def test_a_caller_who_leaves_while_it_waits_takes_nothing(scene):
    scene.set(requests=1)
    process = scene.process()
    leaving = asyncio.ensure_future(process.reserve(scene.caller(), chat()))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await process.reserve(scene.caller(), chat())


async def test_without_the_database_nobody_is_let_through_beyond_the_lease(scene, monkeypatch):
    scene.set(requests=1000)
    process = scene.process()
    for _ in range(4):
        await process.reserve(scene.caller(), chat())

    def broken():
        raise OSError("down")

    monkeypatch.setattr(scene.database, "write", broken)
    with pytest.raises(Unavailable, match="cannot be reached") as unknown:
        await ask_until_refused(process, scene)
    assert unknown.value.code == "limits_unknown"
    monkeypatch.undo()
    assert await process.reserve(scene.caller(), chat())


async def test_transactions_are_few_while_there_is_room_and_none_for_the_refused(scene):
    scene.set(requests=6000)
    process, count = scene.process(), Counter()
    event.listen(scene.database.engine, "begin", lambda _: count.update(["begin"]))
    for _ in range(500):
        await process.reserve(scene.caller(), chat())
    assert count["begin"] <= 15
    scene.set(requests=500)
    process.refresh()
    scene.time.now_s += 2
    with pytest.raises(RateLimited):
        await ask_until_refused(process, scene)
    count.clear()
    for _ in range(100):
        with pytest.raises(RateLimited):
            await process.reserve(scene.caller(), chat())
    assert count["begin"] == 0


async def test_a_lease_is_not_spent_after_its_time(scene):
    limit = scene.set(requests=1000)
    process = scene.process()
    for _ in range(5):
        await process.reserve(scene.caller(), chat())
        await asyncio.sleep(0.01)  # the next lease comes ahead of the need, and is larger than that
    scene.time.now_s += 30
    await process.reserve(scene.caller(), chat())
    await process.stop()
    with scene.database.read() as tx:
        given = dict(tx.exec_driver_sql("SELECT id, requests_given FROM rate_limits").all())[limit.id]
    assert json.loads(given) == [[1_800_000_050, 5], [1_800_000_080, 1]]


async def test_what_is_given_back_after_the_lease_is_over_goes_to_the_others(scene):
    scene.set(tokens=200)
    first, second = scene.process(), scene.process()
    hold = await first.reserve(scene.caller(), chat(150))
    scene.time.now_s += 5
    with pytest.raises(RateLimited):
        await second.reserve(scene.caller(), chat(150))
    hold.settle(10, True)
    first.refresh()
    scene.time.now_s += 0.3
    assert await second.reserve(scene.caller(), chat(150))


async def test_a_caller_who_leaves_in_the_moment_it_is_served_gives_everything_back(scene, monkeypatch):
    scene.set(requests=1)
    process = scene.process()
    leaving = asyncio.ensure_future(process.reserve(scene.caller(), chat()))
    serve = process._exchanger._serve

    def serve_and_leave(*arguments):
        serve(*arguments)
        leaving.cancel()

    monkeypatch.setattr(process._exchanger, "_serve", serve_and_leave)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert process.headers(scene.caller(), "tiny")["x-ratelimit-remaining-requests"] == "1"
    assert await process.reserve(scene.caller(), chat())
