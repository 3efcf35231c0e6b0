"""The same question gets the same answer from the cache, as often as it is asked and in whichever form."""

import asyncio
import json
from dataclasses import replace

import openai
import pytest
from tests.gateway.cache.conftest import text_of, usage_of
from tests.gateway.harness import QUESTION

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


async def test_nothing_is_kept_unless_it_is_asked_for(api, ask):
    for _ in range(2):
        told = await ask(mode=None)
        assert told.cache is None
    assert len(api.engine.bodies) == 2
    assert api.gateway.cache.size(api.project_id) == (0, 0)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("first", [False, True])
async def test_a_stream_and_a_whole_answer_serve_each_other(api, ask, first, second):
    usage = {"stream_options": {"include_usage": True}}
    one = await ask(stream=first, **(usage if first else {}))
    two = await ask(stream=second, **(usage if second else {}))
    assert (one.cache, two.cache) == ("miss", "hit")
    assert text_of(one) == text_of(two) == {0: "Hello, world!"}
    assert usage_of(one) == usage_of(two) != []
    assert two.headers["age"] in ("0", "1")
    assert len(api.engine.bodies) == 1
    if second:
        assert two.raw.endswith("data: [DONE]\n\n")
        assert [choice["finish_reason"] for event in two.events for choice in event["choices"]][-1] == "stop"


async def test_a_hit_is_a_usage_row_of_its_own_that_costs_nothing(api, ask):
    await ask()
    told = await ask()
    made, event = await api.settled(2)
    assert told.headers["x-request-id"] == told.json["id"] == event.id != made.id
    assert (event.outcome, event.attempts, event.model) == ("cached", 0, "tiny")
    assert (event.prompt_tokens, event.cached_tokens, event.completion_tokens) == (0, 0, 0)
    assert (event.saved_prompt_tokens, event.saved_completion_tokens) == (31, 4)
    assert (made.saved_prompt_tokens, made.saved_completion_tokens) == (0, 0)


async def test_a_share_may_be_charged_and_nothing_is_lost_by_it(api, ask):
    api.gateway.cache.charge_percent = 30
    await ask()
    await ask()
    _, event = await api.settled(2)
    assert (event.prompt_tokens, event.cached_tokens, event.completion_tokens) == (9, 7, 1)
    assert (event.saved_prompt_tokens, event.saved_completion_tokens) == (31 - 9, 4 - 1)


@pytest.mark.parametrize(
    "members",
    [
        {"n": 3},
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [TOOL]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}},
        {"seed": 7, "temperature": 1},
    ],
)
async def test_all_forms_of_answers_come_back_through_openais_sdk(api, ask, members):
    extra = {"extra_headers": {"x-argosy-cache": "on"}, "messages": QUESTION, "model": "tiny"}
    given = {"temperature": 0, **extra, **members}
    create = api.client().chat.completions.create
    whole = await create(**given)
    api.gateway.cache.settle()
    again = await create(**given)
    assert again.choices == whole.choices
    assert again.usage == whole.usage
    chunks = [chunk async for chunk in await create(**given, stream=True)]
    asked = len(api.engine.bodies)
    assert asked == members.get("n", 1)
    for choice in whole.choices:
        deltas = [one for chunk in chunks for one in chunk.choices if one.index == choice.index]
        assert "".join(one.delta.content or "" for one in deltas) == (choice.message.content or "")
        assert [one.finish_reason for one in deltas if one.finish_reason] == [choice.finish_reason]
        calls = [call for one in deltas for call in one.delta.tool_calls or ()]
        assert [call.function.arguments for call in calls] == [
            call.function.arguments for call in choice.message.tool_calls or ()
        ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": "tiny", "prompt": ["a", "b"], "temperature": 0}),
        ("/v1/completions", {"model": "tiny", "prompt": "a", "seed": 1}),
    ],
)
async def test_text_completions_are_kept_too(api, ask, path, body):
    one = await ask(path=path, body=body, stream=True)
    two = await ask(path=path, body=body)
    three = await ask(path=path, body=body, stream=True)
    assert (one.cache, two.cache, three.cache) == ("miss", "hit", "hit")
    assert text_of(one) == text_of(two) == text_of(three)
    assert two.json["object"] == "text_completion"


async def test_embeddings_are_never_drawn_and_so_always_kept(api, ask):
    api.route([*api.routes, replace(api.routes[0], model="vectors", modality="embedding", base_model="tiny")])
    body = {"model": "vectors", "input": ["a", "b"]}
    one, two = [await ask(path="/v1/embeddings", body=body) for _ in range(2)]
    assert (one.cache, two.cache, one.json) == ("miss", "hit", two.json)
    assert len(api.engine.bodies) == 1


async def test_what_is_drawn_at_random_is_kept_only_by_force(api, ask):
    body = {"model": "tiny", "messages": QUESTION}
    for _ in range(2):
        assert (await ask(body=body)).cache == "bypass"
        assert (await ask(body=body, temperature=0.7)).cache == "bypass"
    assert [(await ask("force", body=body)).cache for _ in range(2)] == ["miss", "hit"]
    assert [(await ask(body=body, seed=3)).cache for _ in range(2)] == ["miss", "hit"]
    assert [(await ask("on", body=body)).cache for _ in range(1)] == ["bypass"]


async def test_of_a_member_that_is_there_twice_the_last_counts(api, ask):
    question = json.dumps(QUESTION).encode()
    drawn = b'{"model":"tiny","temperature":0,"temperature":1,"messages":%s}'
    assert (await ask(content=drawn % question)).cache == "bypass"
    twice = b'{"temp\\u0065rature":1,"model":"tiny","messages":[{"role":"user"}],"messages": %s,"temperature" : 0}'
    assert (await ask(content=twice % question)).cache == "miss"
    assert (await ask()).cache == "hit"


SAME = [{"user": "ann"}, {"metadata": {"a": "b"}}, {"stream": False}, {"top_p": None}, {"stream_options": None}]
OTHER = [
    {"top_p": 0.5}, {"max_tokens": 5}, {"seed": 1}, {"n": 2}, {"stop": "x"}, {"logit_bias": {"5": 1}}, {"unknown": 1},
    {"messages": [*QUESTION, *QUESTION]}, {"response_format": {"type": "text"}}, {"temperature": 0.0},
]  # fmt: skip


async def test_all_that_changes_the_answer_is_part_of_the_question(api, ask):
    assert (await ask()).cache == "miss"
    for members in SAME:
        assert (await ask(**members)).cache == "hit", members
    for members in OTHER:
        assert (await ask(**members)).cache == "miss", members


async def test_two_at_once_are_both_answered_and_both_on_the_bill(api, ask):
    api.engine.pause_s = 0.05
    one, two = await asyncio.gather(ask(), ask())
    assert text_of(one) == text_of(two)
    assert {event.outcome for event in await api.settled(2)} == {"complete"}
    assert (await ask()).cache == "hit"
    assert api.gateway.cache.size(api.project_id)[0] == 1


async def test_many_at_once_find_it(api, ask):
    await ask()
    told = await asyncio.gather(*(ask(stream=bool(i % 2)) for i in range(30)))
    assert {one.cache for one in told} == {"hit"}
    assert len({one.headers["x-request-id"] for one in told}) == 30
    assert len(api.engine.bodies) == 1
    await api.settled(31)


async def test_a_wrong_mode_is_refused(api, ask):
    told = await ask("sometimes")
    assert (told.status, told.json["error"]["code"]) == (400, "invalid_cache_mode")
    assert (await ask("ON")).cache == "miss"


async def test_the_metrics_tell_of_it(api, ask):
    await ask()
    await ask()
    text = (await api.http.get("/metrics")).text
    assert 'argosy_cache_total{result="hit"} 1.0' in text
    assert 'argosy_cache_saved_tokens_total{kind="prompt"} 31.0' in text
    assert 'argosy_outcomes_total{outcome="cached"} 1.0' in text


async def test_a_full_journal_refuses_a_hit_like_any_request(api, ask):
    await ask()
    api.journal._unshipped_max = 0
    with pytest.raises(openai.APIStatusError) as error:
        await api.ask(temperature=0, extra_headers={"x-argosy-cache": "on"})
    assert error.value.code == "journal_full"
    await api.settled(1)
