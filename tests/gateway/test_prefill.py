"""A provider's broken stream is carried on where it takes a prefilled answer: each word told once, and billed once."""

import json

import httpx
import openai
import pytest
from tests.gateway.company import TEXT, WORDS, running_company
from tests.gateway.harness import QUESTION, running_api

from argosy.gateway import Deadlines

PRICES = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}
PATIENCE = {"first_token": 0.8, "stall": 0.4, "total": 6.0}
WAYS = [("assistant", ""), ("prefix", "prefix"), ("partial", "partial")]


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=5, replica=0.5, poll=0.01)) as running:
        yield running


@pytest.fixture
async def company(api):
    async with running_company() as company:
        await offer(api, company, "prefix")
        company.flag = "prefix"
        yield company
        known = api.gateway._dispatch.health._known.values()
        assert all(health.in_flight == 0 for health in known), "a connection was counted in and never out"


async def offer(api, company, prefill, name="grand"):
    """The company as a provider, its model behind the route "chat" and a backup that must never be asked."""
    body = {"name": name, "key": "sk-4711", "base_url": f"{company.url}/v1", "private": True, "prefill": prefill}
    assert (await api.client().post("/providers", body=body, cast_to=dict))["prefill"] == prefill
    deployed = {"model": name, "provider": name, "provider_model": "grand-2026", "prices": PRICES}
    await api.client().post("/deployments", body=deployed, cast_to=dict)
    await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
    targets = [{"model": name}, {"model": "tiny", "priority": 1}]
    await api.client().put("/routes/chat", body={"targets": targets, "deadlines": PATIENCE}, cast_to=dict)
    api.gateway.refresh()


async def ask(api, company, **members):
    """The events of a stream, an error among them or not, and its last line."""
    path = "/v1/completions" if "prompt" in members else "/v1/chat/completions"
    body = {"model": "chat", "stream": True, "stream_options": {"include_usage": True}, **members}
    if "prompt" not in body:
        body.setdefault("messages", QUESTION)
    lines = []
    headers = {"authorization": f"Bearer {api.secret}"}
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("POST", f"{api.url}{path}", json=body, headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                lines.append(line)
                company.heard += bool(word(line))
                if '"finish_reason":"' in line:
                    company.finished.set()
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"], lines[-1]


def word(line):
    event = json.loads(line[6:]) if line != "data: [DONE]" else {}
    choice = (event.get("choices") or [{}])[0]
    return choice.get("text") or choice.get("delta", {}).get("content") or ""


def words(events):
    choices = [event["choices"][0] for event in events if event.get("choices")]
    return "".join(choice.get("text") or choice.get("delta", {}).get("content") or "" for choice in choices)


async def is_whole(api, answered, attempts=2):
    """The client has the whole text and one opening, the usage row each token once."""
    events, last = answered
    assert words(events) == TEXT
    assert last == "data: [DONE]"
    choices = [event["choices"][0] for event in events if event["choices"]]
    assert sum("role" in choice.get("delta", {}) for choice in choices) <= 1
    assert {event["id"] for event in events} == {events[0]["id"]}
    assert {event["model"] for event in events} == {"grand"}
    usage = events[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (31, len(WORDS))
    [event] = await api.settled()
    assert (event.model, event.outcome, event.estimated, event.attempts) == ("grand", "complete", False, attempts)
    assert (event.prompt_tokens, event.completion_tokens) == (31, len(WORDS))


async def is_broken(api, answered, code="upstream_cut"):
    """The client has a part of the text and the error that broke it, and pays for what it has."""
    events, last = answered
    assert last != "data: [DONE]"
    assert events[-1]["error"]["code"] == code
    said = words(events[:-1])
    assert said
    assert TEXT.startswith(said)
    [event] = await api.settled()
    assert (event.model, event.outcome, event.estimated) == ("grand", "upstream_cut", True)
    assert event.completion_tokens == sum("content" in e["choices"][0]["delta"] for e in events[1:-1])
    assert api.engine.bodies == [], "an answer is never carried on by another model"


@pytest.mark.parametrize(("way", "flag"), WAYS)
@pytest.mark.parametrize("fault", ["cut 5", "stall 5", "error 5"])
async def test_a_broken_stream_is_carried_on_in_the_providers_own_way(api, company, way, flag, fault):
    await offer(api, company, way)
    company.flag, company.plan = flag, [fault]
    await is_whole(api, await ask(api, company, max_tokens=20))
    first, second = company.bodies
    assert first["messages"] == QUESTION
    assert second["messages"][:-1] == QUESTION
    flags = {flag: True} if flag else {}
    assert second["messages"][-1] == {"role": "assistant", "content": "".join(WORDS[:5]), **flags}
    assert (second["max_tokens"], second["model"], second["stream"]) == (15, "grand-2026", True)


@pytest.mark.parametrize("counts", [False, True])
async def test_what_the_provider_repeats_is_told_once_and_billed_once(api, company, counts):
    company.repeats, company.counts_repeated, company.plan = True, counts, ["cut 8"]
    await is_whole(api, await ask(api, company))


async def test_cut_twice_and_again_while_it_repeats(api, company):
    company.repeats, company.plan = True, ["cut 6", "cut 2"]  # the second in the middle of what it repeats
    await is_whole(api, await ask(api, company), attempts=3)
    assert company.bodies[1]["messages"] == company.bodies[2]["messages"]


async def test_cut_twice_goes_on_from_the_second(api, company):
    company.plan = ["cut 4", "cut 3"]
    await is_whole(api, await ask(api, company), attempts=3)
    assert [body["messages"][-1]["content"] for body in company.bodies[1:]] == ["".join(WORDS[:n]) for n in (4, 7)]


async def test_cut_as_often_as_it_is_asked(api, company):
    company.plan = ["cut 3"] * 9
    await is_broken(api, await ask(api, company))
    assert len(company.bodies) == 3


async def test_the_end_alone_was_lost(api, company):
    """What the finish says went out, so that there is nothing to go on with."""
    company.plan = ["unsaid"]
    events, last = await ask(api, company)
    assert (events[-1]["error"]["code"], last == "data: [DONE]") == ("upstream_cut", False)
    assert len(company.bodies) == 1


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
async def test_a_refused_rest_leaves_what_broke_the_answer(api, company, status):
    company.plan = ["cut 5", *[str(status)] * 9]
    await is_broken(api, await ask(api, company))
    assert len(company.bodies) <= 3
    if status in (400, 422, 429):
        assert len(company.bodies) == 2, "no second try of what was refused"


async def test_a_stall_is_told_as_one_if_the_rest_is_refused(api, company):
    company.plan = ["stall 5", "400"]
    await is_broken(api, await ask(api, company), "engine_timeout")


async def test_a_provider_that_is_gone_stays_gone(api, company):
    company.plan = ["gone 5"]
    await is_broken(api, await ask(api, company))
    assert len(company.bodies) == 1


async def test_without_being_asked_for_nothing_is_carried_on(api, company):
    await offer(api, company, "none")
    company.plan = ["cut 5"]
    await is_broken(api, await ask(api, company))
    assert len(company.bodies) == 1


SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
BEGUN = [*QUESTION, {"role": "assistant", "content": "The"}]


@pytest.mark.parametrize(
    "members",
    [
        {"response_format": SCHEMA},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 2},
        {"tools": [TOOL], "tool_choice": "none"},
        {"max_tokens": 5},
    ],
)
async def test_what_could_not_be_joined_exactly_stays_broken(api, company, members):
    company.plan = ["cut 5"]
    await is_broken(api, await ask(api, company, **members))
    assert len(company.bodies) == 1


async def test_several_choices_stay_broken(api, company):
    company.plan = ["cut 5", "cut 5"]
    events, last = await ask(api, company, n=2)
    assert (events[-1]["error"]["code"], last == "data: [DONE]") == ("upstream_cut", False)
    assert len(company.bodies) == 2
    await api.settled()


async def test_an_answer_that_the_client_began_stays_broken(api, company):
    company.plan = ["cut 5"]
    company.words, company.heard = ["The", *WORDS], 1
    await offer(api, company, "assistant")
    company.flag = ""
    events, last = await ask(api, company, messages=BEGUN)
    assert (events[-1]["error"]["code"], last == "data: [DONE]") == ("upstream_cut", False)
    assert len(company.bodies) == 1


async def test_thoughts_are_not_carried_on(api, company):
    company.plan = ["thinks 5"]
    await is_broken_after_thoughts(api, await ask(api, company))
    assert len(company.bodies) == 1


async def is_broken_after_thoughts(api, answered):
    events, last = answered
    assert (events[-1]["error"]["code"], last == "data: [DONE]") == ("upstream_cut", False)
    await api.settled()


async def test_text_completions_need_no_flag(api, company):
    company.plan = ["cut 5"]
    events, last = await ask(api, company, prompt="Say")
    assert (words(events), last) == (TEXT, "data: [DONE]")
    assert company.bodies[1]["prompt"] == "Say" + "".join(WORDS[:5])
    [event] = await api.settled()
    assert (event.prompt_tokens, event.completion_tokens, event.attempts) == (31, 13, 2)


async def test_the_sdk_sees_nothing_of_it(api, company):
    company.plan = ["cut 5"]
    stream = await api.client().chat.completions.create(model="chat", messages=QUESTION, stream=True)
    said = ""
    async for chunk in stream:
        new = chunk.choices[0].delta.content if chunk.choices else None
        said, company.heard = said + (new or ""), company.heard + bool(new)
    assert said == TEXT
    assert api.gateway.resumed == 1


async def test_another_model_of_the_route_never_goes_on(api, company):
    company.plan = ["cut 5", *["500"] * 9]
    await is_broken(api, await ask(api, company))


async def test_the_setting_must_be_one_that_there_is(api, company):
    body = {"name": "x", "base_url": "https://api.example.com/v1", "prefill": "magic"}
    with pytest.raises(openai.BadRequestError):
        await api.client().post("/providers", body=body, cast_to=dict)
