"""A provider is an address and a key: added by administrators, asked for everyone, its key never shown."""

import asyncio
import json

import openai
import pytest
from tests.gateway.engine import WORDS, running_engine

KEY = "sk-of-the-provider-0123"
PRICES = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}


@pytest.fixture
async def company():
    """A provider on this machine."""
    async with running_engine() as engine:
        yield engine


async def add(api, company, **more):
    body = {"name": "acme", "key": KEY, "base_url": f"{company.url}/api/v3", "private": True, **more}
    return await api.client().post("/providers", body=body, cast_to=dict)


async def offer(api, company, **more):
    """Add it, and have it answer for "grand"."""
    await add(api, company, **more)
    body = {"model": "grand", "provider": "acme", "provider_model": "grand-2026", "prices": PRICES}
    made = await api.client().post("/deployments", body=body, cast_to=dict)
    api.gateway.refresh()
    return made


async def test_a_provider_is_added_tested_listed_and_removed(api, company):
    made = await add(api, company)
    assert made["key_hint"] == "…0123"
    assert (await api.client().post("/providers/acme/test", cast_to=dict))["models"] == 2
    listed = await api.client().get("/providers/acme/models", cast_to=dict)
    assert [model["id"] for model in listed["data"]] == ["grand", "small"]
    assert (await api.client().get("/providers", cast_to=dict))["data"] == [made]
    await api.client().delete("/providers/acme", cast_to=dict)
    with pytest.raises(openai.NotFoundError, match="argosy provider add acme"):
        await api.client().post("/providers/acme/test", cast_to=dict)


async def test_its_key_is_shown_nowhere_and_stored_sealed(api, company, tmp_path):
    await offer(api, company)
    seen = [await api.client().get(path, cast_to=dict) for path in ("/providers", "/deployments", "/catalog?q=grand")]
    assert KEY not in json.dumps(seen)
    with api.database.write() as tx:
        tx.exec_driver_sql("SELECT 1")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("argosy.sqlite*"))
    assert b"acme" in stored
    assert KEY.encode() not in stored


async def test_its_model_answers_under_our_name_with_its_key_and_is_billed(api, company):
    assert (await offer(api, company))["state"] == "ready"
    answer = await api.ask(model="grand", seed=7)
    assert (answer.model, answer.choices[0].message.content) == ("grand", "Hello, world!")
    assert company.bodies[0] == {
        "model": "grand-2026",
        "messages": [{"role": "user", "content": "Say hello"}],
        "seed": 7,
    }
    assert company.headers[0]["authorization"] == f"Bearer {KEY}"
    assert company.paths == ["/api/v3/chat/completions"]
    assert "grand" in [model.id for model in (await api.client().models.list()).data]
    [event] = await api.settled()
    assert (event.model, event.prompt_tokens, event.completion_tokens) == ("grand", 31, 4)


async def test_its_stream_is_passed_on_and_metered(api, company):
    await offer(api, company)
    stream = await api.ask(model="grand", stream=True)
    assert "".join([c.choices[0].delta.content or "" async for c in stream]) == "Hello, world!"
    assert company.bodies[0]["stream_options"] == {"include_usage": True}
    [event] = await api.settled()
    assert (event.prompt_tokens, event.completion_tokens, event.estimated) == (31, 4, False)


async def test_a_key_may_go_in_a_header_of_its_own(api, company):
    await offer(api, company, auth="api-key")
    await api.ask(model="grand")
    assert company.headers[0]["api-key"] == KEY
    assert "authorization" not in company.headers[0]


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("limit", openai.RateLimitError, "provider_rate_limited"),
        ("bad key", openai.InternalServerError, "provider_refused"),
        ("no model", openai.InternalServerError, "provider_model_missing"),
        ("moved", openai.InternalServerError, "provider_failed"),
        ("failure", openai.InternalServerError, "provider_failed"),
        ("bad", openai.BadRequestError, "invalid_value"),
        ("garbage", openai.InternalServerError, "engine_malformed"),
    ],
)
async def test_its_failures_become_ours_and_tell_nothing_of_the_account(api, company, fault, error, code):
    await offer(api, company)
    company.plan = [fault]
    with pytest.raises(error) as failed:
        await api.ask(model="grand")
    assert failed.value.code == code
    assert "4711" not in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_a_provider_that_is_down_is_told_as_such(api, company):
    await offer(api, company, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(openai.InternalServerError, match=r"'acme'.*cannot be reached") as failed:
        await api.ask(model="grand")
    assert (failed.value.status_code, failed.value.code) == (503, "provider_unreachable")


async def test_a_new_key_is_used_at_once_and_a_removed_provider_not_at_all(api, company):
    await offer(api, company)
    await add(api, company, key="sk-another-key-4567")
    api.gateway.refresh()
    await api.ask(model="grand")
    assert company.headers[0]["authorization"] == "Bearer sk-another-key-4567"
    await api.client().delete("/providers/acme", cast_to=dict)
    api.gateway.refresh()
    with pytest.raises(openai.NotFoundError):
        await api.ask(model="grand")


async def test_a_hosted_card_names_its_provider(api):
    with pytest.raises(openai.NotFoundError, match="argosy provider add openai"):
        await api.client().post("/deployments", body={"model": "gpt-6-luna"}, cast_to=dict)
    await api.client().post("/providers", body={"name": "openai", "key": "sk-x"}, cast_to=dict)
    made = await api.client().post("/deployments", body={"model": "gpt-6-luna"}, cast_to=dict)
    assert (made["engine"], made["state"], made["provider"]) == ("provider", "ready", "openai")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "acme"}, "base_url_missing"),
        ({"name": "azure-openai"}, "base_url_missing"),
        ({"name": "acme", "base_url": "http://api.example.com/v1"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "https://127.0.0.1/v1"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "https://[::1]:8/v1"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "https://169.254.169.254/v1"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "https://u:p@example.com/v1"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "file:///etc/passwd"}, "invalid_base_url"),
        ({"name": "acme", "base_url": "https://example.com:notaport/v1"}, "invalid_base_url"),
        ({"name": "../x", "base_url": "https://example.com"}, "invalid_value"),
    ],
)
async def test_an_address_that_would_leak_the_key_or_reach_inside_is_refused(api, body, code):
    with pytest.raises(openai.BadRequestError) as refused:
        await api.client().post("/providers", body={"key": "k", **body}, cast_to=dict)
    assert refused.value.code == code


async def test_a_name_that_leads_inside_is_refused_when_it_is_asked(api, company):
    port = company.url.rpartition(":")[2]
    with pytest.raises(openai.BadRequestError):
        await add(api, company, base_url=f"http://localhost:{port}/v1", private=False)
    await offer(api, company, base_url=f"https://localhost:{port}/v1", private=False)
    with pytest.raises(openai.InternalServerError):
        await api.ask(model="grand")
    assert company.bodies == []


async def test_only_administrators_may(api):
    reader = api.client(api.key("inference", "tuning", "billing"))
    for call in (reader.get("/providers", cast_to=dict), reader.post("/providers", body={}, cast_to=dict)):
        with pytest.raises(openai.PermissionDeniedError):
            await call


async def test_a_provider_without_a_price_is_not_deployed(api, company):
    await add(api, company)
    with pytest.raises(openai.BadRequestError, match="Give 'prices'"):
        await api.client().post("/deployments", body={"model": "grand", "provider": "acme"}, cast_to=dict)


async def test_it_is_sent_no_more_at_once_than_it_takes(api, company):
    await offer(api, company, in_flight_max=2)
    assert (await api.client().get("/providers", cast_to=dict))["data"][0]["in_flight_max"] == 2
    company.pause_s = 0.1
    asks = [asyncio.ensure_future(api.ask(model="grand")) for _ in range(6)]
    seen = set()
    while not all(ask.done() for ask in asks):
        seen.add(api.gateway.admission.in_flight("provider acme"))
        await asyncio.sleep(0.005)
    assert max(seen) == 2
    assert len(company.bodies) == 6


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("stream", [False, True])
async def test_its_own_way_to_call_tools_is_used(api, company, stream):
    await offer(api, company)
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    answer = await api.ask(model="grand", tools=[TOOL], parallel_tool_calls=True, response_format=form, stream=stream)
    if stream:  # what it streams of calls is passed on: see tests/conformance
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices]) == "".join(
            WORDS
        )
    else:
        assert answer.choices[0].finish_reason == "tool_calls"
        assert [(call.id, call.function.arguments) for call in answer.choices[0].message.tool_calls] == [
            ("call_1", '{"city": "Rome"}'),
            ("call_2", '{"city": "Rome"}'),
        ]
    [body] = company.bodies
    assert body.pop("stream", False) == stream
    body.pop("stream_options", None)
    assert body == {
        "model": "grand-2026",
        "messages": [{"role": "user", "content": "Say hello"}],
        "tools": [TOOL],
        "parallel_tool_calls": True,
        "response_format": form,
    }
    [event] = await api.settled()
    assert (event.model, event.completion_tokens) == ("grand", 4)


async def test_tools_go_to_an_engine_of_ours_when_the_provider_fails(api, company):
    await offer(api, company)
    await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
    targets = [{"model": "grand"}, {"model": "tiny", "priority": 1}]
    await api.client().put("/routes/chat", body={"targets": targets}, cast_to=dict)
    api.gateway.refresh()
    company.plan = ["failure"]
    answer = await api.ask(model="chat", tools=[TOOL], tool_choice="required")
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city":"Paris"}'
    assert (company.bodies[0]["tools"], api.engine.bodies[0]["tools"]) == ([TOOL], [])
