"""A project moves its own name from one model to another, and no request is lost."""

import asyncio

import openai
import pytest

MINE = "ft:tiny:argosy:mine:1"


@pytest.fixture
async def served(api):
    """The API, whose models "first" and "second" are deployed on the echo engine's routes."""
    for name in ("first", "second"):
        await api.client().post("/deployments", body={"model": name, "engine": "echo"}, cast_to=dict)
    from dataclasses import replace

    base = api.routes[0]
    api.route([*api.routes, *(replace(base, model=name, base_model="tiny") for name in ("first", "second"))])
    return api


async def point(api, name, target, secret=None):
    return await api.client(secret).put(f"/aliases/{name}", body={"target": target}, cast_to=dict)


async def test_an_alias_stands_for_its_model_in_answers_and_on_the_bill(served):
    made = await point(served, "chat-default", "first")
    served.gateway.refresh()
    assert (await served.ask(model="chat-default")).model == "first"
    [event] = await served.settled()
    assert event.model == "first"
    assert (await served.client().get("/aliases", cast_to=dict))["data"] == [made]


async def test_moving_it_loses_no_request(served):
    await point(served, "chat-default", "first")
    served.gateway.refresh()
    served.engine.pause_s = 0.002
    answers = []

    async def ask():
        for _ in range(10):
            answers.append((await served.ask(model="chat-default")).model)

    callers = [asyncio.create_task(ask()) for _ in range(4)]
    for turn in range(6):
        await point(served, "chat-default", ("second", "first")[turn % 2])
        served.gateway.refresh()
        await asyncio.sleep(0.01)
    await asyncio.gather(*callers)
    assert len(answers) == 40
    assert set(answers) == {"first", "second"}


async def test_it_holds_for_its_own_project_alone(served):
    await point(served, "chat-default", "first")
    served.gateway.refresh()
    with pytest.raises(openai.NotFoundError):
        await served.client(served.other).chat.completions.create(
            model="chat-default", messages=[{"role": "user", "content": "a"}]
        )
    assert (await served.client(served.other).get("/aliases", cast_to=dict))["data"] == []


@pytest.mark.parametrize(
    ("name", "target", "code"),
    [
        ("Bad Name", "first", "invalid_alias"),
        ("first", "second", "name_taken"),
        ("smollm2-135m-instruct", "first", "name_taken"),
        ("chat", "nothing", "model_not_found"),
        ("chat", "other", "alias_of_alias"),
    ],
)
async def test_mistakes_are_told(served, name, target, code):
    await point(served, "other", "first")
    with pytest.raises(openai.APIStatusError) as refused:
        await point(served, name, target)
    assert refused.value.code == code


async def test_it_is_taken_back(served):
    await point(served, "chat-default", "first")
    await served.client().delete("/aliases/chat-default", cast_to=dict)
    served.gateway.refresh()
    with pytest.raises(openai.NotFoundError):
        await served.ask(model="chat-default")
    with pytest.raises(openai.NotFoundError, match="no alias"):
        await served.client().delete("/aliases/chat-default", cast_to=dict)
