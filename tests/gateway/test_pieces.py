"""Requests that are counted by images or characters besides tokens, where a price or a provider says so."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from tests.gateway.engine import WORDS, running_engine
from tests.gateway.harness import QUESTION
from tests.gateway.test_failover import PRICES, offer, route

from argosy import billing
from argosy.billing import Intent, Terms
from argosy.billing.frames import Progress
from argosy.billing.recovery import settle
from argosy.billing.reports import EventFilter, list_events
from argosy.core import Invalid
from argosy.gateway.pieces import answered, brought
from argosy.gateway.reading import parse
from argosy.gateway.requests import Kind

SAID = len("".join(WORDS))
TEXT = [{"type": "text", "text": "héé 你好"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
PICTURE = [{"role": "system", "content": "Look."}, {"role": "user", "content": TEXT}]
PLAIN = Terms("USD", 0, 0, 0)


def price(api, measured, model="tiny", provider=None):
    with api.database.write() as tx:
        if provider:
            billing.ensure_cost(tx, provider, model, replace(PLAIN, measured=measured))
        else:
            billing.ensure_price(tx, model, replace(PLAIN, measured=measured))
    api.gateway.refresh()


async def ask(api, stream=False, **members):
    answer = await api.ask(stream=stream, **members)
    if stream:
        async for _ in answer:
            pass


def posted(api, events):
    """The one event's amount, as it stands in the books."""
    with api.database.write() as tx:
        billing.record(tx, events)
        [line] = list_events(tx, api.project_id, EventFilter())
        return line.measured, line.units["measured"], line.amounts["measured"]


@pytest.mark.parametrize("stream", [False, True])
async def test_characters_are_those_of_question_and_answer(api, stream):
    price(api, {"characters": 2_000_000})
    await ask(api, stream)
    [event] = await api.settled()
    asked = len(QUESTION[0]["content"])
    assert posted(api, [event]) == ("characters", asked + SAID, 2 * (asked + SAID))


async def test_images_are_those_that_the_request_brings(api):
    price(api, {"images": 5_000_000})
    await ask(api, messages=PICTURE)
    [event] = await api.settled()
    assert posted(api, [event]) == ("images", 1, 5)


async def test_of_one_who_leaves_what_was_delivered_counts(api):
    price(api, {"characters": 1_000_000})
    api.engine.pause_s = 0.1
    stream = await api.ask(stream=True)
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    await stream.close()
    [event] = await api.settled()
    asked = len(QUESTION[0]["content"])
    assert event.outcome == "client_gone"
    assert asked + len(WORDS[0]) <= event.measured_units < asked + SAID


async def test_nothing_else_is_taken_apart(api, monkeypatch):
    monkeypatch.setattr("argosy.gateway.metering.answered", None)
    monkeypatch.setattr("argosy.gateway.pieces._OBJECT", None)
    await ask(api)
    [event] = await api.settled()
    assert (event.measured, event.measured_units) == ("", 0)


async def test_a_provider_that_counts_is_owed_for_it_whatever_is_asked_of_the_customer(api):
    async with running_engine() as engine:
        await offer(api, "house", engine, PRICES)
        price(api, {"characters": 3_000_000}, "house", provider="house")
        await ask(api, model="house")
        [event] = await api.settled()
        units = len(QUESTION[0]["content"]) + SAID
        assert posted(api, [event]) == ("characters", units, 0)
        with api.database.read() as tx:
            assert billing.balances(tx, "")[billing.PROVIDER_COST] == 3 * units


async def test_another_model_that_answers_is_counted_in_its_own_way(api):
    async with running_engine() as first, running_engine() as second:
        await offer(api, "primary", first, {**PRICES, "measured": {"images": 7_000_000}})
        await offer(api, "backup", second, {**PRICES, "measured": {"characters": 1_000_000}})
        await route(api, [{"model": "primary"}, {"model": "backup", "priority": 1}])
        first.plan = ["failure"]
        await ask(api, model="chat")
        [event] = await api.settled()
        assert (event.measured, event.measured_units) == ("characters", len(QUESTION[0]["content"]) + SAID)


async def test_a_hard_budget_holds_for_them(api):
    price(api, {"images": 5_000_000})
    body = {"scope": "organization", "amount": "0.000009 USD", "period": "none", "hard": True}
    await api.client().put("/budgets", body=body, cast_to=dict)
    api.gateway.refresh()
    await ask(api, messages=PICTURE)
    await asyncio.sleep(0.01)
    two = [*PICTURE, {"role": "user", "content": TEXT}]
    with pytest.raises(Exception, match=r"may cost 0\.000012 USD"):
        await ask(api, messages=two)


def test_both_sides_of_a_price_count_by_the_same(api):
    price(api, {"images": 1})
    with pytest.raises(Invalid) as refused:
        price(api, {"characters": 1}, provider="house")
    assert refused.value.code == "two_meters"
    with pytest.raises(Invalid, match="one of images and characters"):
        price(api, {"images": 1, "characters": 1}, "other")
    with pytest.raises(Invalid, match="owed nothing for engine_seconds"):
        price(api, {"engine_seconds": 1}, provider="house")


@pytest.mark.parametrize(
    ("kind", "body", "characters"),
    [
        (Kind.TEXT, b'{"model":"m","prompt":["ab","c"]}', 3),
        (Kind.TEXT, b'{"model":"m","prompt":[1,2]}', 0),
        (Kind.EMBEDDING, b'{"model":"m","input":"\xe4\xbd\xa0"}', 1),
        (Kind.RERANK, b'{"model":"m","query":"q","documents":["ab","c"]}', 4),
        (Kind.CHAT, b'{"model":"m","messages":[{"role":"user","content":null}]}', 0),
        (Kind.CHAT, b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":7}]}]}', 0),
    ],
)
def test_what_a_request_brings(kind, body, characters):
    assert brought(parse(kind, body), "characters") == characters
    assert brought(parse(kind, body), "images") == 0
    assert brought(parse(kind, body), "") == 0


def test_what_is_answered():
    assert answered(b'{"choices":[{"message":{"content":"ab","reasoning_content":"c"}},{"message":null}]}') == 3
    assert answered(b'data: {"choices":[{"delta":{"content":"\xe4\xbd\xa0"}}]}\n\n: hm\n\ndata: [DONE]\n\n') == 1
    assert answered(b'{"data":[]}') == 0


@pytest.mark.parametrize("event", [b'{"choices":[null]}', b'{"choices":[{"delta":"x"}]}', b'{"choices":7}', b"{"])
def test_what_cannot_be_read_has_no_characters_and_does_no_harm(event):
    good = b'data: {"choices":[{"delta":{"content":"ab"}}]}\n\n'
    assert answered(b"data: " + event + b"\n\n" + good) == 2


async def test_a_body_that_cannot_be_read_to_its_end_is_refused(api):
    """The number is in a member that nobody had looked at."""
    price(api, {"characters": 1})
    body = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"odd":1%b}' % (b"0" * 400 + b"e999")
    async with httpx.AsyncClient() as http:
        headers = {"authorization": f"Bearer {api.secret}", "content-type": "application/json"}
        answer = await http.post(f"{api.url}/v1/chat/completions", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_after_a_crash_the_delivered_words_are_a_guess(api):
    price(api, {"characters": 1_000_000})
    await ask(api)
    [event] = await api.settled()
    names = [name for name in Intent.__struct_fields__ if hasattr(event, name)]
    intent = Intent(**{name: getattr(event, name) for name in names} | {"measured_units": 9}, prompt_estimate=4)
    assert settle(intent, None).measured_units == 0
    assert settle(intent, Progress(event.id, 5, event.finished_us)).measured_units == 9 + 5 * 4
