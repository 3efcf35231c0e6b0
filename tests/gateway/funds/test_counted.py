"""Near the end of a budget a prompt is counted by its engine before it is refused: what fits by its very tokens passes.

The words of a prompt are the fake engine's tokens, and a token costs one micro-unit: 400 words are 400 tokens, and more
than 2,000 bytes. Two micro-units more are held for rounding.
"""

import asyncio
import json

import openai
import pytest
from tests.gateway.funds.test_at_the_door import budget, dear, purses

from argosy.billing import Intent
from argosy.billing.frames import decode
from argosy.billing.segments import segment_files
from argosy.gateway.funds import counted
from argosy.gateway.funds.purse import KNOWN_S
from argosy.gateway.funds.worst import worst_charge
from argosy.gateway.reading import parse
from argosy.gateway.requests import Kind
from argosy.identity import organization_of

LONG = [{"role": "user", "content": "word " * 400}]
EXACT = 400 + 20 + 2


async def ask(api, **members):
    return await api.ask(**{"messages": LONG, "max_tokens": 20, **members})


async def refused(api, **members):
    with pytest.raises(openai.APIStatusError) as found:
        await ask(api, **members)
    assert found.value.code == "insufficient_quota"
    return found.value


@pytest.fixture
async def api(api):
    await dear(api)
    return api


async def test_what_fits_by_its_tokens_passes_and_what_does_not_is_refused_as_ever(api):
    await budget(api, f"0.{EXACT - 1:06} USD")
    error = await refused(api)
    assert error.status_code == 429
    assert f"this request may cost 0.{EXACT:06} USD" in error.message
    assert api.events() == []
    assert api.gateway.purses.refusals == {"budget": 1}
    await asyncio.sleep(KNOWN_S)
    await budget(api, f"0.{EXACT:06} USD")
    assert (await ask(api)).usage.total_tokens == 35
    assert [path for path, _ in api.engine.asides] == ["/apply-template", "/tokenize"] * 2
    assert api.gateway.purses.refusals == {"budget": 1}


async def test_as_long_as_its_size_fits_nothing_is_counted(api):
    await budget(api, "0.003000 USD")
    await ask(api)
    assert api.engine.asides == []


async def test_what_its_answer_alone_is_too_much_for_is_not_counted(api):
    await budget(api, f"0.{EXACT:06} USD")
    await refused(api, max_tokens=EXACT)
    assert api.engine.asides == []


async def test_what_was_paid_ahead_is_counted_for_too(api):
    with api.database.read() as tx:
        whose = organization_of(tx, api.project_id).id
    body = {"kind": "grant", "currency": "USD", "scope": "organization"}
    await api.client().post("/credits", body={**body, "amount": EXACT - 1}, cast_to=dict)
    api.gateway.refresh()
    assert (await refused(api)).status_code == 402
    await asyncio.sleep(KNOWN_S)
    await api.client().post("/credits", body={**body, "amount": 1}, cast_to=dict)
    api.gateway.refresh()
    assert (await ask(api)).usage.total_tokens == 35
    (event,) = api.events()
    assert event.fund in [purse.fund.id for purse in purses(api) if purse.fund.organization_id == whose]


@pytest.mark.parametrize("how", ["not at all", "hangs", "fails"])
async def test_an_engine_that_cannot_count_leaves_the_bound(api, monkeypatch, how):
    monkeypatch.setattr(counted, "_COUNT_S", 0.2)
    await budget(api, f"0.{EXACT:06} USD")
    if how == "not at all":
        api.engine.tokenizes = how
    else:
        api.engine.aside_plan = ["hang" if how == "hangs" else "failure"]
    assert "may cost 0.00" in (await refused(api)).message
    assert api.engine.bodies == []


async def test_other_kinds_and_pictures_keep_the_bound(api):
    await budget(api, f"0.{EXACT:06} USD")
    picture = [{"type": "image_url", "image_url": {"url": "https://pictures.example/1"}}]
    await refused(api, messages=[*LONG, {"role": "user", "content": picture}])
    with pytest.raises(openai.RateLimitError):
        await api.client().completions.create(model="tiny", prompt="word " * 400, max_tokens=20)
    assert api.engine.asides == []


async def test_a_provider_is_not_asked_to_count(api):
    provider = {"name": "grand", "base_url": f"{api.engine.url}/v1", "private": True, "key": "sk-of-the-provider-0123"}
    await api.client().post("/providers", body=provider, cast_to=dict)
    prices = {"currency": "USD", "input": 1_000_000, "output": 1_000_000}
    deployed = {"model": "grand", "provider": "grand", "provider_model": "grand", "prices": prices}
    await api.client().post("/deployments", body=deployed, cast_to=dict)
    await budget(api, f"0.{EXACT:06} USD")
    assert (await refused(api, model="grand")).status_code == 429
    assert api.engine.asides == []
    table = api.gateway._table
    ours, theirs = (
        [(offer, table.price(offer.price_version)) for offer in table.offers(api.project_id, model)]
        for model in ("tiny", "grand")
    )
    request = parse(Kind.CHAT, json.dumps({"model": "either", "messages": LONG, "max_tokens": 20}).encode())
    assert worst_charge(request, ours, 400) == EXACT
    assert worst_charge(request, [*ours, *theirs], 400) == worst_charge(request, ours) > 2_000, (
        "it may be theirs to answer"
    )


async def test_who_had_his_prompt_counted_in_vain_has_used_one_of_his_requests(api):
    await api.client().put("/limits", body={"requests_per_minute": 1}, cast_to=dict)
    await budget(api, f"0.{EXACT - 1:06} USD")
    await refused(api, max_tokens=EXACT)
    await refused(api)
    with pytest.raises(openai.RateLimitError) as limited:
        await ask(api)
    assert limited.value.code == "rate_limit_exceeded"


async def test_what_was_counted_is_what_is_charged_if_the_engine_never_says(api):
    await budget(api, f"0.{EXACT:06} USD")
    await ask(api)
    records = [record for path in segment_files(api.journal.folder) for record in decode(path.read_bytes()).records]
    assert [record.prompt_estimate for record in records if isinstance(record, Intent)] == [400]


async def test_many_at_once_are_never_given_more_than_there_is(api, monkeypatch):
    monkeypatch.setattr(
        "argosy.gateway.funds.purses.WAIT_S", 0.5
    )  # nobody posts here, so that charges seem to come back
    made = await budget(api, f"0.{EXACT + 3 * 35:06} USD")  # each answer costs 35 of the 422 that it may
    api.engine.pause_s = 0.05
    done = await asyncio.gather(*(ask(api) for _ in range(12)), return_exceptions=True)
    passed = [one for one in done if not isinstance(one, Exception)]
    assert len(passed) == 4
    assert {one.code for one in done if isinstance(one, openai.APIStatusError)} == {"budget_busy"}
    charged = 35 * len(passed)
    [purse] = [purse for purse in purses(api) if purse.fund.id == made["id"]]
    assert (purse.held, purse.free + purse.at_hand) == (0, EXACT + 3 * 35 - charged)
