"""Limits as a client meets them: OpenAI's headers, a 429 whose time is true, every ending, and two real gateways."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections import Counter

import openai
import pytest
from tests.gateway.harness import QUESTION, _configuration

from argosy.billing import Journal
from argosy.core import RateLimited, new_id
from argosy.gateway import Gateway, Kind, RouteTable, parse
from argosy.gateway.limits.headers import duration
from argosy.identity import KeyRing

HEADERS = [f"x-ratelimit-{what}-{unit}" for unit in ("requests", "tokens") for what in ("limit", "remaining", "reset")]


async def limit(api, **body):
    made = await api.client().put("/limits", body=body, cast_to=dict)
    api.gateway.refresh()
    return made


async def raw(api, **members):
    asked = {"model": "tiny", "messages": QUESTION, "max_tokens": 20, **members}
    return await api.client().chat.completions.with_raw_response.create(**asked)


def told(response):
    return [response.headers.get(name) for name in HEADERS]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0ms"), (0.8501, "851ms"), (1, "1s"), (7.251, "7.26s"), (59.999, "60s"), (60.2, "1m1s"), (62, "1m2s")],
)
def test_durations_are_written_as_openai_does_and_never_too_short(seconds, shown):
    assert duration(seconds) == shown


async def test_answers_carry_openais_headers_where_a_limit_applies(api):
    assert told(await raw(api)) == [None] * 6
    await limit(api, requests_per_minute=5, tokens_per_minute=10_000)
    first, second = await raw(api), await raw(api)
    assert [response.parse().usage.total_tokens for response in (first, second)] == [35, 35]
    assert [told(each)[:2] + told(each)[3:5] for each in (first, second)] == [
        ["5", "4", "10000", "9965"],
        ["5", "3", "10000", "9930"],
    ]
    assert all(re.fullmatch(r"1m[0-2]s|5[0-9.]+s", told(second)[at]) for at in (2, 5))


async def test_a_stream_carries_them_too_and_counts_what_it_used(api):
    await limit(api, requests_per_minute=5, tokens_per_minute=10_000)
    asked = {"model": "tiny", "messages": QUESTION, "stream": True, "max_tokens": 20}
    async with api.client().chat.completions.with_streaming_response.create(**asked) as response:
        assert response.headers["x-ratelimit-remaining-requests"] == "4"
        assert 9_900 < int(response.headers["x-ratelimit-remaining-tokens"]) < 10_000
        assert "[DONE]" in (await response.read()).decode()
    assert (await raw(api)).headers["x-ratelimit-remaining-tokens"] == str(10_000 - 2 * 35)


async def test_over_the_limit_is_a_429_that_says_when(api):
    await limit(api, requests_per_minute=2)
    await asyncio.gather(raw(api), raw(api))
    with pytest.raises(openai.RateLimitError, match=r"Try again in [56]\d s") as refused:
        await raw(api)
    answer = refused.value.response
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert 50 <= int(answer.headers["retry-after"]) <= 62
    assert told(answer)[:2] == ["2", "0"]
    assert len(api.engine.bodies) == 2
    await api.settled(2)
    assert (await limit(api, requests_per_minute=3))["requests_per_minute"] == 3
    await asyncio.sleep(0.3)
    await raw(api)
    listed = (await api.client().get("/limits", cast_to=dict))["data"]
    assert [(one["key"], one["model"], one["requests_per_minute"]) for one in listed] == [(None, None, 3)]
    await api.client().delete(f"/limits/{listed[0]['id']}", cast_to=dict)
    api.gateway.refresh()
    assert told(await raw(api)) == [None] * 6


async def test_a_limit_of_a_project_says_nothing_to_another(api):
    await limit(api, requests_per_minute=1)
    await raw(api)
    theirs = api.client(api.other).chat.completions.with_raw_response
    assert told(await theirs.create(model="tiny", messages=QUESTION)) == [None] * 6


async def test_a_limit_at_a_model_holds_under_an_alias_too(api):
    await limit(api, model="tiny", requests_per_minute=1)
    await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
    await api.client().put("/aliases/chat-default", body={"target": "tiny"}, cast_to=dict)
    api.gateway.refresh()
    assert told(await raw(api, model="chat-default"))[:2] == ["1", "0"]
    with pytest.raises(openai.RateLimitError):
        await raw(api)
    with pytest.raises(openai.BadRequestError, match="is an alias"):
        await limit(api, model="chat-default", requests_per_minute=1)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "empty_limit"),
        ({"key": "key_1", "model": "tiny", "requests_per_minute": 1}, "invalid_limit"),
        ({"key": "key_of_nobody", "requests_per_minute": 1}, "key_not_found"),
        ({"project": "nobody", "requests_per_minute": 1}, "project_not_found"),
        ({"requests_per_minute": 0}, "invalid_value"),
        ({"requests_per_minute": 1.5}, "invalid_value"),
        ({"requests": 5}, "invalid_value"),
    ],
)
async def test_mistakes_are_told(api, body, code):
    with pytest.raises(openai.APIStatusError) as refused:
        await limit(api, **body)
    assert refused.value.code == code


async def test_only_administrators_set_limits(api):
    for secret in (api.other, api.key("inference", "billing", "tuning")):
        with pytest.raises(openai.PermissionDeniedError):
            await api.client(secret).put("/limits", body={"requests_per_minute": 1}, cast_to=dict)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["bad", "failure", "cut at once", "leave", "no model"])
async def test_every_ending_gives_back_the_tokens_it_did_not_use(api, fault, stream):
    await limit(api, requests_per_minute=100, tokens_per_minute=10_000)
    ask = asyncio.ensure_future(raw(api, stream=stream, model="nothing" if fault == "no model" else "tiny"))
    if fault == "leave":
        api.engine.plan = ["hang"]
        while not api.engine.bodies:
            await asyncio.sleep(0.001)
        ask.cancel()
    else:
        api.engine.plan = [fault, fault]
    with contextlib.suppress(openai.APIStatusError, asyncio.CancelledError):
        await ask
    if fault == "leave":
        await api.settled(1)
    api.engine.plan = []
    left = int((await raw(api)).headers["x-ratelimit-remaining-tokens"])
    assert left == 10_000 - sum(event.prompt_tokens + event.completion_tokens for event in api.events())
    assert left <= 10_000 - 35


async def test_two_gateways_on_one_database_let_no_more_through_than_the_limit(api, tmp_path):
    await limit(api, requests_per_minute=100)
    keys, journal = KeyRing(api.database), Journal(tmp_path / "second", fsync=False)
    table = RouteTable(api.database, lambda tx: _configuration(tx, api.routes))
    second = Gateway(api.database, keys, journal, table=table)
    await second.start()
    caller, body = keys.find(api.secret), b'{"model":"tiny","messages":[{"role":"user","content":"x"}]}'
    passed = Counter()

    async def hammer(name, gateway, count):
        for _ in range(count):
            try:
                await gateway.answer(parse(Kind.CHAT, body), caller, new_id("req_"))
                passed[name] += 1
            except RateLimited:
                passed["refused"] += 1

    try:
        both = (("first", api.gateway), ("second", second))
        for name, gateway in both * 5:
            await hammer(name, gateway, 1)
        assert (passed["first"], passed["second"]) == (5, 5), "neither keeps the other from its share"
        await asyncio.gather(*(hammer(name, gateway, 15) for name, gateway in both for _ in range(12)))
    finally:
        await second.stop()
        journal.close()
    assert 95 <= passed["first"] + passed["second"] <= 100
    assert len(api.engine.bodies) == passed["first"] + passed["second"]
    assert sum(passed.values()) == 370


async def argosy(api, *words):
    """The command as a person types it; its exit status and what it printed."""
    environment = {**os.environ, "ARGOSY_URL": api.url, "ARGOSY_API_KEY": api.secret}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "argosy", *words, env=environment, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_command_line_sets_lists_and_removes(api):
    assert (await argosy(api, "limits", "set", "--requests", "7", "--model", "tiny", "--json"))[0] == 0
    _, listed = await argosy(api, "limits", "list", "--json")
    [limit] = json.loads(listed)
    assert (limit["model"], limit["requests_per_minute"], limit["tokens_per_minute"]) == ("tiny", 7, None)
    assert await argosy(api, "limits", "remove", limit["id"]) == (0, f"{limit['id']} is removed\n")
    status, said = await argosy(api, "limits", "remove", limit["id"])
    assert (status, "argosy limits list" in said) == (1, True)
    assert (await argosy(api, "limits", "set"))[0] == 1
