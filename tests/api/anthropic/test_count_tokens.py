"""Anthropic's SDK at /v1/messages/count_tokens: a count by the model's own tokenizer, or a reason why there is none."""

import anthropic
import httpx
import pytest
from tests.gateway.engine import running_engine

ASKED = [{"role": "user", "content": "Say hello to them"}]
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
KEY = "sk-of-the-provider-0123"
PRICES = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}


def client(api, key=None):
    return anthropic.AsyncAnthropic(base_url=api.url, api_key=key or api.secret, max_retries=0, timeout=10)


async def count(api, model="tiny", **members):
    return (await client(api).messages.count_tokens(**{"model": model, "messages": ASKED, **members})).input_tokens


async def offer(api, company, name):
    body = {"name": name, "key": KEY, "base_url": f"{company.url}/v1", "private": True}
    await api.client().post("/providers", body=body, cast_to=dict)
    deployed = {"model": "grand", "provider": name, "provider_model": "grand-2026", "prices": PRICES}
    await api.client().post("/deployments", body=deployed, cast_to=dict)
    api.gateway.refresh()


async def test_the_engine_counts_what_it_would_be_asked(api):
    assert await count(api, system="Be brief") == 6
    (first, template), (second, tokens) = api.engine.asides
    assert (first, second) == ("/apply-template", "/tokenize")
    assert template["messages"] == [{"role": "system", "content": "Be brief"}, *ASKED]
    assert template["lora"] == [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 0.0}]
    assert tokens == {"content": "Be brief Say hello to them", "add_special": True, "parse_special": True}


async def test_tools_are_counted_as_they_are_put_before_the_model(api):
    assert await count(api, tools=[TOOL]) > 10
    assert "get_weather" in api.engine.asides[0][1]["messages"][0]["content"]


async def test_it_is_no_use_and_costs_nothing(api):
    await count(api)
    await api.settled(0)
    assert api.journal.open_requests == 0


async def test_a_key_is_asked_for_and_its_models_alone_are_there(api):
    with pytest.raises(anthropic.AuthenticationError):
        await client(api, "sk-nobody").messages.count_tokens(model="tiny", messages=ASKED)
    with pytest.raises(anthropic.PermissionDeniedError):
        await client(api, api.key("billing")).messages.count_tokens(model="tiny", messages=ASKED)
    with pytest.raises(anthropic.NotFoundError):
        await count(api, "ft:tiny:argosy:theirs:2")
    with pytest.raises(anthropic.BadRequestError) as error:
        await count(api, messages=[{"role": "user", "content": [{"type": "image"}]}])
    assert error.value.body["error"]["details"]["param"] == "messages.0.content.0.type"
    assert api.engine.asides == []


async def test_limits_on_requests_hold_for_it(api):
    await api.client().put("/limits", body={"requests_per_minute": 2}, cast_to=dict)
    api.gateway.refresh()
    assert [await count(api) for _ in range(2)] == [4, 4]
    with pytest.raises(anthropic.RateLimitError) as error:
        await count(api)
    assert int(error.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("fault", ["drop", "failure", "garbage", "empty body"])
async def test_a_target_that_fails_leaves_it_to_the_next(api, fault):
    async with running_engine() as company:
        await offer(api, company, "anthropic")
        await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
        targets = [{"model": "tiny"}, {"model": "grand", "priority": 1}]
        await api.client().put("/routes/chat", body={"targets": targets}, cast_to=dict)
        api.gateway.refresh()
        api.engine.aside_plan = [fault]
        raw = await client(api).messages.with_raw_response.count_tokens(model="chat", messages=ASKED)
        assert ((await raw.parse()).input_tokens, raw.headers["x-argosy-target"]) == (42, "grand")
        raw = await client(api).messages.with_raw_response.count_tokens(model="chat", messages=ASKED)
        assert ((await raw.parse()).input_tokens, raw.headers["x-argosy-target"]) == (4, "tiny")


@pytest.mark.parametrize("fault", ["failure", "loading", "garbage"])
async def test_with_nobody_else_the_failure_is_told(api, fault):
    api.engine.aside_plan = [fault] * 999
    with pytest.raises((anthropic.InternalServerError, anthropic.APIStatusError)) as error:
        await count(api)
    assert error.value.status_code >= 500
    assert "secret" not in str(error.value.body)


async def test_a_provider_with_such_an_endpoint_counts_itself(api):
    async with running_engine() as company:
        await offer(api, company, "anthropic")
        assert await count(api, "grand", system="Be brief") == 42
        assert company.paths == ["/v1/messages/count_tokens"]
        assert company.bodies == [{"model": "grand-2026", "messages": ASKED, "system": "Be brief"}]
        assert company.headers[0]["x-api-key"] == KEY
        assert company.headers[0]["anthropic-version"]
        assert await count(api, "grand", tools=[TOOL], tool_choice={"type": "any"}) == 42
        assert (company.bodies[1]["tools"], company.bodies[1]["tool_choice"]) == ([TOOL], {"type": "any"})


async def test_for_another_provider_it_says_why_not(api):
    async with running_engine() as company:
        await offer(api, company, "acme")
        with pytest.raises(anthropic.BadRequestError, match="'acme' has no endpoint that counts") as error:
            await count(api, "grand")
        assert error.value.body["error"]["details"]["error_code"] == "count_unsupported"
        assert company.bodies == []


async def test_it_takes_post_alone(api):
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(f"{api.url}/v1/messages/count_tokens", headers={"x-api-key": api.secret})
    assert answer.status_code == 405
