"""Moderation through the data plane, at a provider that stands in for OpenAI."""

import asyncio
import json
from dataclasses import replace

import openai
import pytest
from aiohttp import web

KEY = "sk-of-the-provider-0123"
NAME = "omni-moderation-latest"
CATEGORIES = ["harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
              "self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence",
              "violence/graphic"]  # fmt: skip


def result(text):
    flagged = "kill" in text
    return {
        "flagged": flagged,
        "categories": dict.fromkeys(CATEGORIES, False) | {"violence": flagged},
        "category_scores": dict.fromkeys(CATEGORIES, 0.01) | {"violence": 0.9 if flagged else 0.01},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


class Moderator:
    """Flags texts that speak of killing. ``faults`` says what requests to come meet instead."""

    def __init__(self):
        self.bodies, self.paths, self.keys, self.faults, self.usage = [], [], [], [], None

    async def answer(self, request):
        body = await request.json()
        self.bodies.append(body)
        self.paths.append(request.path)
        self.keys.append(request.headers.get("authorization"))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return web.json_response({"error": {"message": "account 4711"}}, status=fault)
        if fault is not None:
            return web.json_response(fault)
        given = body["input"]
        if isinstance(given, str):
            given = [given]
        elif not isinstance(given[0], str):
            given = [json.dumps(given)]
        answer = {"id": "modr-4711", "model": "omni-moderation-2026", "results": [result(each) for each in given]}
        return web.json_response(answer | ({"usage": {"prompt_tokens": self.usage}} if self.usage else {}))


@pytest.fixture
async def moderator(api):
    made = Moderator()
    application = web.Application()
    application.router.add_post("/v1/moderations", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    body = {"name": "openai", "key": KEY, "base_url": made.url, "private": True}
    await api.client().post("/providers", body=body, cast_to=dict)
    await api.client().post("/deployments", body={"model": NAME}, cast_to=dict)
    api.gateway.refresh()
    yield made
    await runner.cleanup()


async def test_a_text_is_moderated_by_openais_sdk(api, moderator):
    answer = await api.client().moderations.create(model=NAME, input="I will kill the process")
    assert [one.flagged for one in answer.results] == [True]
    assert answer.results[0].categories.violence is True
    assert (answer.model, answer.id[:5]) == (NAME, "modr-")
    assert answer.id != "modr-4711"
    assert moderator.bodies == [{"model": NAME, "input": "I will kill the process"}]
    assert (moderator.paths, moderator.keys) == (["/v1/moderations"], [f"Bearer {KEY}"])


async def test_without_a_model_openais_name_is_meant(api, moderator):
    await api.client().moderations.create(input="hello")
    assert moderator.bodies[0]["model"] == NAME


@pytest.mark.parametrize(
    ("given", "flagged"),
    [
        (["hello", "kill", ""], [False, True, False]),
        ([{"type": "text", "text": "kill"}], [True]),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}], [False]),
        ("", [False]),
    ],
)
async def test_every_form_of_input(api, moderator, given, flagged):
    answer = await api.client().moderations.create(input=given)
    assert [one.flagged for one in answer.results] == flagged
    assert moderator.bodies[0]["input"] == given


async def test_unknown_usage_is_estimated_by_the_prompt_and_known_usage_is_exact(api, moderator):
    await api.client().moderations.create(input="x" * 400)
    moderator.usage = 77
    await api.client().moderations.create(input="x" * 400)
    guessed, known = await api.settled(2)
    assert (guessed.kind, guessed.model, guessed.outcome, guessed.estimated) == ("moderation", NAME, "complete", True)
    assert 100 <= guessed.prompt_tokens <= 120
    assert (known.prompt_tokens, known.completion_tokens, known.estimated) == (77, 0, False)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"results": []},
        {"results": [{}]},
        {"results": [{"flagged": None}]},
        {"results": [{"flagged": "no"}]},
        {"results": [{"flagged": False}, {"flagged": False}]},
        {"error": {"message": "account 4711"}},
        [],
    ],
)
async def test_what_does_not_say_whether_it_is_flagged_is_a_failure(api, moderator, broken):
    moderator.faults = [broken]
    with pytest.raises(openai.InternalServerError) as failed:
        await api.client().moderations.create(input="kill")
    assert "4711" not in str(failed.value)
    assert [event.prompt_tokens for event in api.events()] in ([], [0])


@pytest.mark.parametrize(
    ("fault", "error"),
    [(401, openai.InternalServerError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
async def test_what_the_provider_refuses_is_told(api, moderator, fault, error):
    moderator.faults = [fault]
    with pytest.raises(error) as failed:
        await api.client().moderations.create(input="x")
    assert "4711" not in str(failed.value)


async def test_a_replica_that_is_gone_is_passed_over(api, moderator):
    guard = replace(api.routes[0], model="guard", base_model="tiny", modality="moderation", adapter_count=0)
    there = replace(guard, url=moderator.url.removesuffix("/v1"))
    gone = replace(guard, url="http://127.0.0.1:9", replica_id="rep_2")
    api.route([*api.routes, there, gone])
    for _ in range(12):
        answer = await api.client().moderations.create(model="guard", input="kill")
        assert answer.results[0].flagged
    assert len(await api.settled(12)) == 12
    assert len(moderator.bodies) == 12


async def test_none_declared_says_what_to_do_next(api):
    for model in (None, "text-moderation-9"):
        with pytest.raises(openai.NotFoundError, match="argosy deploy omni-moderation-latest") as refused:
            await api.client().moderations.create(input="x", **({"model": model} if model else {}))
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert api.events() == []


async def test_the_wrong_path_for_a_model_names_the_right_one(api, moderator):
    with pytest.raises(openai.BadRequestError, match="/v1/chat/completions"):
        await api.client().moderations.create(model="tiny", input="x")
    with pytest.raises(openai.BadRequestError, match="/v1/moderations"):
        await api.ask(model=NAME)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": [1, 2]}, "input[0]"),
        ({"input": [["x"]]}, "input[0]"),
        ({"input": ["x", {"type": "text", "text": "x"}]}, "input"),
        ({"input": ["x", 7]}, "input"),
        ({"input": [{"type": "text", "text": "x"}, {"type": "audio"}]}, "input[1]"),
        ({"input": [{"type": "image_url", "image_url": {"url": ""}}]}, "input[0]"),
        ({"input": [{"type": "image_url"}]}, "input[0]"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": "x", "model": ""}, "model"),
        ({"input": "x", "model": 7}, "model"),
        ({"input": "x", "stream": True}, "stream"),
        ({"input": "x", "lora": []}, "lora"),
    ],
)
async def test_a_bad_request_is_refused_and_names_the_member(api, moderator, body, param):
    with pytest.raises(openai.BadRequestError) as refused:
        await api.client().post("/moderations", body=body, cast_to=dict)
    assert refused.value.param == param
    assert moderator.bodies == []


async def test_it_needs_a_key_that_may_ask(api, moderator):
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("billing")).moderations.create(input="x")
    with pytest.raises(openai.AuthenticationError):
        await api.client("sk-wrong").moderations.create(input="x")


async def test_limits_hold(api, moderator):
    await api.client().put("/limits", body={"requests_per_minute": 1}, cast_to=dict)
    api.gateway.refresh()
    await api.client().moderations.create(input="x")
    with pytest.raises(openai.RateLimitError):
        await api.client().moderations.create(input="x")


async def test_it_is_not_captured(api, moderator):
    await api.client().put("/capture", body={}, cast_to=dict)
    api.gateway.refresh()
    await api.client().moderations.create(input="x")
    assert await asyncio.to_thread(api.gateway.capture.settle, 120)
    assert (await api.client().get("/captures", cast_to=dict))["data"] == []
