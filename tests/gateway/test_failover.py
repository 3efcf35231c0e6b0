"""Every fault of a primary ends with the backup's answer, or with the right refusal: once billed, nothing left behind.

The two are providers on this machine, replicas of one model are further down.
"""

import asyncio
import json
from dataclasses import replace

import httpx
import openai
import pytest
from tests.gateway.engine import FIRST_WORD, WORDS, running_engine
from tests.gateway.harness import QUESTION, running_api

from argosy.gateway import Deadlines
from argosy.gateway.health import RetryBudget

TEXT = "".join(WORDS)
KEY = "sk-of-the-provider-0123"
PRICES = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}
BACKUP_PRICES = {"currency": "USD", "input": 3_000_000, "output": 4_000_000}
PATIENCE = {"first_token": 0.8, "stall": 0.8, "total": 6.0}


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=5, replica=0.5, poll=0.01)) as running:
        yield running


@pytest.fixture
async def pair(api):
    """``api.primary`` and ``api.backup`` behind the route "chat"."""
    async with running_engine() as primary, running_engine() as backup:
        await offer(api, "primary", primary, PRICES)
        await offer(api, "backup", backup, BACKUP_PRICES)
        await route(api, [{"model": "primary"}, {"model": "backup", "priority": 1}], deadlines=PATIENCE)
        api.primary, api.backup = primary, backup
        yield api
        assert no_one_is_left(api)


async def offer(api, name, engine, prices):
    body = {"name": name, "key": KEY, "base_url": f"{engine.url}/v1", "private": True}
    await api.client().post("/providers", body=body, cast_to=dict)
    body = {"model": name, "provider": name, "provider_model": name, "prices": prices}
    await api.client().post("/deployments", body=body, cast_to=dict)


async def route(api, targets, name="chat", **more):
    made = await api.client().put(f"/routes/{name}", body={"targets": targets, **more}, cast_to=dict)
    api.gateway.refresh()
    return made


def no_one_is_left(api):
    """No connection counted in and never out."""
    return all(health.in_flight == 0 for health in api.gateway._dispatch.health._known.values())


async def ask(api, stream=False, **members):
    """The text of an answer of the route, and the response's headers."""
    if "shared" not in vars(api):
        api.shared = api.client()  # to make one takes longer than to ask
    create = api.shared.chat.completions.with_raw_response.create
    raw = await create(model="chat", messages=QUESTION, stream=stream, **members)
    answer = raw.parse()
    if not stream:
        return answer.choices[0].message.content, raw.headers
    return "".join([c.choices[0].delta.content or "" async for c in answer if c.choices]), raw.headers


BEFORE_THE_FIRST_TOKEN = [
    "drop", "failure", "busy", "limit", "limit for long", "bad key", "no model", "moved", "garbage", "empty body",
]  # fmt: skip
STREAMING = ["cut at once", "hang", "hang after headers", "no token", "garbage events"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_TOKEN)
async def test_the_backup_answers_unseen_and_at_its_own_price(pair, fault, stream):
    pair.primary.plan = [fault]
    text, headers = await ask(pair, stream)
    assert text == TEXT
    assert (headers["x-argosy-target"], headers["x-argosy-attempts"]) == ("backup", "2")
    [event] = await pair.settled()
    assert (event.model, event.route, event.attempts, event.outcome) == ("backup", "chat", 2, "complete")
    assert (event.completion_tokens, event.estimated) == (4, False)
    with pair.database.read() as tx:
        price = tx.exec_driver_sql(f"SELECT input FROM price_versions WHERE id = '{event.price_version}'").scalar()
    assert price == BACKUP_PRICES["input"]


@pytest.mark.parametrize("fault", STREAMING)
async def test_a_stream_that_says_nothing_is_given_to_the_backup(pair, fault):
    pair.primary.plan = [fault]
    text, headers = await ask(pair, stream=True)
    assert (text, headers["x-argosy-target"]) == (TEXT, "backup")
    [event] = await pair.settled()
    assert (event.model, event.completion_tokens) == ("backup", 4)
    if fault not in ("cut at once", "garbage events"):
        assert pair.primary.cancelled == 1


@pytest.mark.parametrize(("fault", "code"), [("cut", "upstream_cut"), ("stall", "engine_timeout")])
async def test_a_providers_answer_that_breaks_never_ends_as_if_it_were_whole(pair, fault, code):
    pair.primary.plan = [fault]
    with pytest.raises(openai.APIError) as error:
        await ask(pair, stream=True)
    assert error.value.code == code
    assert pair.backup.bodies == []
    [event] = await pair.settled()
    assert (event.model, event.outcome, event.estimated) == ("primary", "upstream_cut", True)
    assert event.completion_tokens >= 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_answer_that_never_comes_ends_in_time(pair, stream):
    await route(pair, [{"model": "primary"}], deadlines={"first_token": 0.3, "total": 0.5})
    pair.primary.plan = ["hang"]
    with pytest.raises(
        openai.InternalServerError
    ) as error:  # the engine would hang for a minute, the client waits 10 s
        await ask(pair, stream)
    assert error.value.code == "engine_timeout"
    await pair.settled(0)


async def test_slow_tokens_are_no_stall_but_the_whole_has_an_end(pair):
    pair.primary.plan = ["slow"]
    assert (await ask(pair, stream=True))[0] == TEXT
    await route(pair, [{"model": "primary"}], deadlines={"first_token": 0.6, "stall": 0.3, "total": 0.6})
    pair.primary.plan = ["slow"]
    with pytest.raises(openai.APIError) as error:
        await ask(pair, stream=True)
    assert error.value.code == "engine_timeout"


async def test_a_refused_connection_goes_to_the_backup_and_after_three_the_circuit_is_open(pair):
    await pair.client().post(
        "/providers",
        body={"name": "primary", "key": KEY, "base_url": "http://127.0.0.1:9/v1", "private": True},
        cast_to=dict,
    )
    pair.gateway.refresh()
    attempts = [(await ask(pair))[1]["x-argosy-attempts"] for _ in range(5)]
    assert attempts == ["2", "2", "2", "1", "1"]
    assert len(pair.gateway._dispatch.health.open()) == 1


async def test_a_name_that_does_not_resolve_goes_to_the_backup(pair):
    body = {"name": "primary", "key": KEY, "base_url": "http://nowhere.invalid/v1", "private": True}
    await pair.client().post("/providers", body=body, cast_to=dict)
    pair.gateway.refresh()
    assert (await ask(pair))[1]["x-argosy-target"] == "backup"


async def test_what_is_wrong_with_the_request_is_told_and_not_tried_elsewhere(pair):
    pair.primary.plan = ["bad"]
    with pytest.raises(openai.BadRequestError):
        await ask(pair)
    assert pair.backup.bodies == []
    await pair.settled(0)


async def test_retry_after_keeps_everyone_away_for_that_long(pair):
    pair.primary.plan = ["limit for long"]
    await ask(pair)
    assert {(await ask(pair))[1]["x-argosy-attempts"] for _ in range(3)} == {"1"}
    [(_, seconds)] = pair.gateway._dispatch.health.open().items()
    assert 9 < seconds <= 11
    await route(pair, [{"model": "primary"}])
    with pytest.raises(openai.InternalServerError) as error:
        await ask(pair)
    assert (error.value.status_code, error.value.code) == (503, "no_target_available")
    assert 9 <= int(error.value.response.headers["retry-after"]) <= 11
    assert len(pair.primary.bodies) == 1


async def test_without_a_backup_the_refusal_is_the_providers(pair):
    await route(pair, [{"model": "primary"}])
    pair.primary.plan = ["limit for long"]
    with pytest.raises(openai.RateLimitError) as error:
        await ask(pair)
    assert error.value.response.headers["retry-after"] == "11"
    await pair.settled(0)


async def test_when_both_fail_it_says_so_and_costs_nothing(pair):
    pair.primary.plan, pair.backup.plan = ["failure"], ["limit"]
    with pytest.raises(openai.RateLimitError):
        await ask(pair)
    await pair.settled(0)


async def test_when_all_circuits_are_open_the_least_bad_is_asked(pair):
    pair.primary.plan, pair.backup.plan = ["failure"] * 4, ["failure"] * 4
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            await ask(pair)
    assert len(pair.gateway._dispatch.health.open()) == 2
    pair.primary.plan = pair.backup.plan = []
    assert (await ask(pair))[1]["x-argosy-attempts"] == "1"


async def test_a_half_open_circuit_lets_one_request_try_and_closes_when_it_is_well(pair):
    health, now = pair.gateway._dispatch.health, [100.0]
    health.clock = lambda: now[0]
    pair.primary.plan = ["failure"] * 3
    for _ in range(4):
        await ask(pair)
    assert len(pair.primary.bodies) == 3
    now[0] += 1.01
    pair.primary.pause_s = 0.1
    targets = await asyncio.gather(*(ask(pair) for _ in range(5)))
    assert sorted(headers["x-argosy-target"] for _, headers in targets) == ["backup"] * 4 + ["primary"]
    assert (await ask(pair))[1]["x-argosy-target"] == "primary"


async def test_a_flapping_target_makes_no_storm(pair):
    dispatch, now = pair.gateway._dispatch, [100.0]
    dispatch.health.clock = lambda: now[0]
    dispatch.budget = RetryBudget(lambda: now[0])
    pair.primary.plan = ["failure", ""] * 500
    for _ in range(4):
        await asyncio.gather(*(several(pair, 5) for _ in range(20)))
        now[0] += 1.0
    events = await pair.settled(400)
    extra = len(pair.primary.bodies) + len(pair.backup.bodies) - 400
    # It is trusted three times at most: at first, after 1 s and after 2 s more. Each time it fails five times until its
    # circuit is open, and with half of those that are on their way then. Half of all would have been 200.
    assert 0 < extra <= 3 * (5 + 20 // 2)
    assert sum(event.attempts for event in events) == 400 + extra


async def several(api, count):
    for _ in range(count):
        assert (await ask(api))[0] == TEXT


SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
CHINESE = [{"role": "user", "content": "请用一句话介绍 Argosy 平台。"}]


@pytest.mark.parametrize(
    ("when", "members"),
    [
        ({"languages": ["zh"]}, {"messages": CHINESE}),
        ({"prompt_tokens_min": 200}, {"messages": [{"role": "user", "content": "word " * 300}]}),
        ({"schema": True}, {"response_format": SCHEMA}),
        ({"tools": True}, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
    ],
)
async def test_a_condition_chooses_the_target(pair, when, members):
    await route(pair, [{"model": "backup", "when": when}, {"model": "primary", "priority": 1}])
    create = pair.client().chat.completions.with_raw_response.create
    plain = await create(model="chat", messages=QUESTION)
    special = await create(**{"model": "chat", "messages": QUESTION, **members})
    assert [raw.headers["x-argosy-target"] for raw in (plain, special)] == ["primary", "backup"]


async def test_a_route_with_nothing_for_a_request_says_so(pair):
    await route(pair, [{"model": "primary", "when": {"languages": ["zh"]}}])
    with pytest.raises(openai.BadRequestError) as error:
        await ask(pair)
    assert error.value.code == "no_target_takes_it"


async def test_several_choices_stay_with_one_model_and_one_price(pair):
    pair.primary.plan = ["", "failure", ""]
    create = pair.client().chat.completions.with_raw_response.create
    with pytest.raises(openai.InternalServerError):
        await create(model="chat", messages=QUESTION, n=3)
    assert pair.backup.bodies == []
    await pair.settled(0)


async def test_a_client_that_leaves_while_the_backup_works_stops_it(pair):
    pair.primary.plan, pair.backup.plan = ["failure"], ["hang"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(pair, stream=True), 0.2)
    [event] = await pair.settled()
    assert (event.outcome, event.model, event.completion_tokens) == ("client_gone", "backup", 0)
    assert pair.backup.cancelled == 1


# Replicas of one model, and engines of ours


@pytest.fixture
async def replicas(api):
    """Two engines that serve "tiny": ``api.engine`` and ``api.second``."""
    async with running_engine() as second:
        api.second = second
        more = [replace(one, url=second.url, replica_id="rep_2") for one in api.routes]
        api.route([*api.routes, *more])
        yield api
        assert no_one_is_left(api)


@pytest.mark.parametrize("fault", ["cut", "stall", "error"])
@pytest.mark.parametrize("limit", [None, 10])
@pytest.mark.parametrize("tokenizes", ["well", "not at all", "otherwise"])
async def test_a_broken_stream_is_carried_on_by_the_other_replica(replicas, fault, limit, tokenizes):
    replicas.second.tokenizes = tokenizes
    lines, carried = await carried_by_the_second(replicas, fault, max_tokens=limit)
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    said = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert "".join(delta.get("content") or "" for delta in said) == TEXT
    assert sum("role" in delta for delta in said) == 1, "its opening is told once"
    assert len({(event["id"], event["model"]) for event in events}) == 1
    assert [event["choices"][0]["finish_reason"] for event in events if event["choices"]][-1] == "stop"
    assert lines[-1] == "data: [DONE]"
    usage = events[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (31, 4)
    if tokenizes == "well":
        told = carried["prompt"][31:]
        assert told in ([FIRST_WORD], [FIRST_WORD, FIRST_WORD + 1])
        assert carried["prompt"][:31] == [7] * 31
        assert "messages" not in carried
    else:  # events that came in one piece with an error are not told
        told = {"Hello": [0], "Hello,": [0, 1]}[carried["messages"][-1]["content"]]
    assert carried.get("max_tokens") == (limit and limit - len(told))
    [event] = await replicas.settled()
    assert (event.prompt_tokens, event.completion_tokens, event.attempts) == (31, 4, 2)
    assert (event.outcome, event.estimated, event.kind) == ("complete", False, "chat.completion")
    assert replicas.gateway.resumed == 1


async def carried_by_the_second(api, fault, **members):
    """The lines of a stream that the first engine broke, and what the second was asked."""
    await route_to_tiny(api)
    api.engine.plan, api.second.plan = [fault], []
    health = api.gateway._dispatch.health
    health[api.second.url].latency_s, health[api.engine.url].latency_s = 5.0, 0.001
    lines = await raw_stream(api, {"stream_options": {"include_usage": True}, **members})
    [carried] = api.second.bodies
    return lines, carried


async def test_the_rest_by_tokens_is_asked_with_the_clients_wishes_and_nothing_of_the_chat(replicas):
    wishes = {"temperature": 0.3, "seed": 5, "stop": ["x"], "logit_bias": {"5": 1}, "repeat_penalty": 1.1}
    chat = {"logprobs": True, "top_logprobs": 2, "response_format": {"type": "text"}, "echo": True}
    _, carried = await carried_by_the_second(replicas, "cut", **wishes, **chat)
    assert wishes.items() <= carried.items()
    assert carried["logprobs"] == 2
    assert not {"top_logprobs", "response_format", "echo", "messages"} & carried.keys()


async def test_what_is_seen_has_no_tokens_and_is_carried_on_by_text(replicas):
    seen = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    _, carried = await carried_by_the_second(replicas, "cut", messages=[{"role": "user", "content": seen}])
    assert carried["messages"][-1] == {"role": "assistant", "content": "Hello,"}


async def route_to_tiny(api):
    with api.database.write() as tx:
        from argosy.gateway.route_spec import read_spec
        from argosy.gateway.store import put_route

        put_route(tx, api.project_id, "chat", read_spec({"targets": [{"model": "tiny"}], "deadlines": PATIENCE}))
    api.gateway.refresh()


async def raw_stream(api, members):
    body = {"model": "chat", "messages": QUESTION, "stream": True}
    body |= {name: value for name, value in members.items() if value is not None}
    async with httpx.AsyncClient() as client:
        headers = {"authorization": f"Bearer {api.secret}"}
        answer = await client.post(f"{api.url}/v1/chat/completions", json=body, headers=headers)
    return [line for line in answer.text.split("\n") if line]


async def test_an_answer_under_a_schema_is_not_carried_on(replicas):
    replicas.engine.plan = replicas.second.plan = ["cut"]
    stream = await replicas.ask(stream=True, response_format=SCHEMA)
    with pytest.raises(openai.APIError) as error:
        _ = [chunk async for chunk in stream]
    assert error.value.code == "upstream_cut"
    await replicas.settled(1)


async def test_requests_that_the_only_engine_fails_on_do_not_shut_it_for_others(api):
    api.gateway._dispatch.health.clock = lambda: 100.0  # a circuit that opens stays open
    api.engine.plan = ["failure"] * 6
    for _ in range(6):
        with pytest.raises(openai.InternalServerError):
            await api.ask()
    assert api.gateway._dispatch.health.open()
    assert (await api.ask()).choices[0].message.content == TEXT


async def test_replicas_share_by_load(replicas):
    replicas.engine.pause_s = replicas.second.pause_s = 0.02
    await asyncio.gather(*(replicas.ask() for _ in range(40)))
    assert min(len(replicas.engine.bodies), len(replicas.second.bodies)) >= 10


async def test_a_prompt_that_is_too_long_goes_to_a_target_with_more_room(api):
    async with running_engine() as roomy:
        await offer(api, "roomy", roomy, PRICES)
        await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
        await route(api, [{"model": "tiny"}, {"model": "roomy", "priority": 1}])
        api.engine.plan = ["too long"]
        text, headers = await ask(api)
        assert (text, headers["x-argosy-target"]) == (TEXT, "roomy")
        await route(api, [{"model": "tiny"}])
        api.engine.plan = ["too long"]
        with pytest.raises(openai.BadRequestError) as error:
            await ask(api)
        assert error.value.code == "context_length_exceeded"


async def test_an_engine_that_is_starting_is_waited_for_only_if_nobody_else_can_answer(api):
    async with running_engine() as other:
        await offer(api, "other", other, PRICES)
        await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
        await route(api, [{"model": "tiny"}, {"model": "other", "priority": 1}])
        dispatch, routes = api.gateway._dispatch, list(api.routes)
        dispatch._deadlines = replace(dispatch._deadlines, replica=20)
        api.route([replace(one, url="") for one in routes])
        assert (await ask(api))[1]["x-argosy-target"] == "other"
        await route(api, [{"model": "tiny"}])
        asking = asyncio.create_task(ask(api))
        await asyncio.sleep(0.1)
        assert not asking.done()
        api.route(routes)
        assert (await asking)[1]["x-argosy-target"] == "tiny"
