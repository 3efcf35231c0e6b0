"""Budgets as a client meets them: what is refused and how it is told, and that no ending leaves anything held."""

import asyncio
import contextlib
import sys

import anthropic
import openai
import pytest
from tests.gateway.harness import QUESTION

from argosy.billing import amounts, ensure_price, funds
from argosy.identity import create_key, create_project, organization_of


async def budget(api, amount="1000 USD", **members):
    made = await api.client().put("/budgets", body={"amount": amount, **members}, cast_to=dict)
    api.gateway.refresh()
    return made


async def dear(api):
    """The harness's prices are nearly nothing: a token costs one micro-unit from here on."""

    class Tariff:
        currency, input, cached_input, output, training = "USD", 1_000_000, 1_000_000, 1_000_000, 0

    with api.database.write() as tx:
        ensure_price(tx, "tiny", Tariff())
    api.gateway.refresh()


def purses(api):
    return list(api.gateway.purses._purses.values())


def out(api):
    """Held now, and charged of what was leased so far, by fund."""
    return [(purse.held, purse.fund.scope) for purse in purses(api)]


async def test_every_ending_settles(api):
    await dear(api)
    await budget(api, scope="organization")
    await budget(api)
    body = {"model": "tiny", "messages": QUESTION, "max_tokens": 20}
    client = api.client()
    await client.chat.completions.create(**body)
    async for _ in await client.chat.completions.create(**body, stream=True):
        pass
    await client.chat.completions.create(**body, n=3)
    api.engine.plan = ["failure", "failure", "failure", "failure"]
    with pytest.raises(openai.APIStatusError):
        await client.chat.completions.create(**body)
    api.engine.plan = ["hang"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.chat.completions.create(**body, stream=True), 0.3)
    api.engine.plan = []
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(**{**body, "temperature": 9})
    await asyncio.sleep(0.2)
    assert out(api) == [(0, "organization"), (0, "project")]
    events = api.events()
    assert all(len(event.held.split()) == 2 for event in events)
    with api.database.read() as tx:
        fund = funds.list_funds(tx, organization_of(tx, api.project_id).id, "budget")[0]
    charged = sum(sum(amounts(event, api.gateway._table.price(event.price_version))) for event in events)
    assert charged > 0
    assert fund.held == charged + sum(one.at_hand for one in purses(api) if one.fund.scope == "organization")


async def test_a_refusal_is_openais_insufficient_quota_and_says_what_to_do(api):
    await dear(api)
    await budget(api, "0.000500 USD")
    with pytest.raises(openai.RateLimitError) as refused:
        await api.ask(max_tokens=600)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.type == "insufficient_quota"
    assert refused.value.response.headers.get("retry-after") is None
    assert "budget of your project leaves 0.000500 USD" in refused.value.message
    assert "max_tokens" in refused.value.message
    assert (await api.ask(max_tokens=20)).usage.total_tokens == 35
    assert len(api.events()) == 1, "what was refused leaves no usage"


async def test_what_is_not_paid_ahead_is_402_over_every_wire(api):
    await dear(api)
    with api.database.write() as tx:
        organization = organization_of(tx, api.project_id).id
        funds.ensure_prepaid(tx, organization, "organization", organization, "USD")
    api.gateway.refresh()
    with pytest.raises(openai.APIStatusError) as unpaid:
        await api.ask(max_tokens=20)
    assert (unpaid.value.status_code, unpaid.value.code) == (402, "insufficient_quota")
    claude = anthropic.AsyncAnthropic(base_url=api.url, api_key=api.secret, max_retries=0)
    with pytest.raises(anthropic.APIStatusError) as unpaid:
        await claude.messages.create(model="tiny", max_tokens=20, messages=QUESTION)
    assert unpaid.value.status_code == 402
    assert unpaid.value.body["error"]["type"] == "billing_error"
    with pytest.raises(openai.APIStatusError) as unpaid:
        await api.client().responses.create(model="tiny", input="Say hello", max_output_tokens=20)
    assert unpaid.value.status_code == 402


async def test_a_request_that_its_money_refuses_takes_nothing_from_its_limits(api):
    await dear(api)
    await api.client().put("/limits", body={"requests_per_minute": 2}, cast_to=dict)
    await budget(api, "0.000500 USD")
    for _ in range(3):
        with pytest.raises(openai.RateLimitError) as refused:
            await api.ask(max_tokens=600)
        assert refused.value.code == "insufficient_quota"
    await api.ask(max_tokens=20)


async def test_who_may_see_and_set_what(api):
    mine = await budget(api)
    with api.database.write() as tx:
        stranger = create_project(tx, api.project_id, "third")
        key, secret = create_key(tx, stranger.id, "theirs", ["inference"])
    api.gateway.refresh()
    theirs = await api.client().put(
        "/budgets", body={"amount": "3 USD", "project": "third", "key": key.id}, cast_to=dict
    )
    seen = await api.client(secret).get("/budgets", cast_to=dict)
    assert [one["id"] for one in seen["data"]] == [theirs["id"]]
    everything = await api.client().get("/budgets", cast_to=dict)
    assert [one["scope"] for one in everything["data"]] == ["project", "key"]
    for refused in (
        api.client(secret).put("/budgets", body={"amount": "3 USD"}, cast_to=dict),
        api.client(secret).delete(f"/budgets/{mine['id']}", cast_to=dict),
    ):
        with pytest.raises(openai.PermissionDeniedError):
            await refused


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"amount": "-5 USD"}, "no amount of money"),
        ({"amount": "0 USD"}, "refuse everything"),
        ({"amount": "5"}, "1.25 USD"),
        ({"amount": "1e9 USD"}, "no amount of money"),
        ({"amount": "99999999999999 USD"}, "no amount of money"),
        ({"amount": "0.0000001 USD"}, "no amount of money"),
        ({"amount": "5 CNY"}, "Convert it to USD"),
        ({"amount": "5 USD", "scope": "key"}, "what fits the scope"),
        ({"amount": "5 USD", "scope": "organization", "project": "default"}, "what fits the scope"),
        ({"amount": "5 USD", "key": "key_of_nobody"}, "GET /v1/keys"),
        ({"amount": "5 USD", "project": "of nobody"}, "no project"),
        ({"amount": "5 USD", "thresholds": [0]}, "thresholds"),
        ({"amount": "5 USD", "period": "week"}, "period"),
        ({"amount": "5 USD", "soft": True}, "soft"),
    ],
)
async def test_what_makes_no_sense_is_refused(api, body, said):
    with pytest.raises(openai.APIStatusError, match=said) as refused:
        await api.client().put("/budgets", body=body, cast_to=dict)
    assert refused.value.status_code in (400, 404)


async def test_at_a_provider_the_longest_answer_that_it_documents_is_held_for(api):
    provider = {
        "name": "deepseek",
        "base_url": f"{api.engine.url}/v1",
        "private": True,
        "key": "sk-of-the-provider-0123",
    }
    await api.client().post("/providers", body=provider, cast_to=dict)
    prices = {"currency": "USD", "input": 0, "output": 1_000_000}
    for name, called in (("known", "deepseek-v4-pro"), ("unknown", "deepseek-made-up")):
        deployed = {"model": name, "provider": "deepseek", "provider_model": called, "prices": prices}
        await api.client().post("/deployments", body=deployed, cast_to=dict)
    await budget(api, "0.000001 USD")
    for name, tokens in (("known", 393_216), ("unknown", 16_384)):
        with pytest.raises(openai.RateLimitError, match=f"may cost 0.{tokens + 2} USD|may cost 0.0{tokens + 2} USD"):
            await api.ask(model=name)
    with pytest.raises(openai.RateLimitError, match=r"may cost 0\.000022 USD"):
        await api.ask(model="known", max_tokens=20)


async def test_budgets_may_come_and_go_while_requests_run(api):
    await dear(api)

    async def change():
        client = api.client()
        for n in range(15):
            terms = {"amount": f"{1 + n} USD", "scope": "organization"}
            made = await client.put("/budgets", body=terms, cast_to=dict)
            api.gateway.refresh()
            await asyncio.sleep(0.02)
            if n % 3 == 0:
                await client.delete(f"/budgets/{made['id']}", cast_to=dict)
                api.gateway.refresh()

    changing, client = asyncio.ensure_future(change()), api.client()  # one: to make eight at a time takes longer
    asked = {"model": "tiny", "messages": QUESTION, "max_tokens": 5}
    while not changing.done():
        await asyncio.gather(*(client.chat.completions.create(**asked) for _ in range(8)))
    await changing
    await asyncio.sleep(0.1)
    assert all(purse.held == 0 for purse in purses(api))


async def test_the_command_line(api):
    async def argosy(*arguments):
        environment = {"ARGOSY_URL": api.url, "ARGOSY_API_KEY": api.secret, "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "argosy", "budgets", *arguments,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    code, said = await argosy("set", "25 USD", "--organization", "--at", "50", "--at", "90")
    assert code == 0
    assert "25.000000 USD" in said
    code, said = await argosy("list")
    assert "hard" in said
    found = (await api.client().get("/budgets", cast_to=dict))["data"]
    assert found[0]["thresholds"] == [50, 90]
    code, said = await argosy("set", "25")
    assert code == 1
    assert "1.25 USD" in said
    code, said = await argosy("remove", found[0]["id"])
    assert (code, said) == (0, f"{found[0]['id']} is gone.\n")
    with contextlib.suppress(openai.NotFoundError):
        await api.client().get(f"/budgets/{found[0]['id']}", cast_to=dict)
        raise AssertionError("it is still there")
