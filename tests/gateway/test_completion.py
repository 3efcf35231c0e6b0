"""One outcome for every ending, seen from outside: OpenAI's SDK in front, an engine with faults behind."""

import asyncio
from dataclasses import replace

import openai
import pytest
from tests.gateway.engine import NAME, USAGE, WORDS, running_engine
from tests.gateway.harness import QUESTION

from argosy.gateway.tools import as_calls
from argosy.runtime import bump_version

TEXT = "".join(WORDS)


async def collect(stream):
    chunks = [chunk async for chunk in stream]
    return chunks, "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def test_a_whole_answer_is_billed_as_the_engine_counted(api):
    answer = await api.ask()
    assert answer.choices[0].message.content == TEXT
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.completion_tokens) == ("tiny", 31, 4)
    [event] = await api.settled()
    assert event.id == answer.id == answer._request_id
    assert (event.prompt_tokens, event.cached_tokens, event.completion_tokens) == (31, 24, 4)
    assert (event.outcome, event.estimated, event.model, event.kind) == ("complete", False, "tiny", "chat.completion")


async def test_a_stream_is_billed_the_same_and_shows_usage_only_to_those_who_ask(api):
    chunks, text = await collect(await api.ask(stream=True))
    assert text == TEXT
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert {(chunk.model, chunk.id) for chunk in chunks} == {("tiny", chunks[0].id)}
    chunks, text = await collect(await api.ask(stream=True, stream_options={"include_usage": True}))
    assert text == TEXT
    assert (chunks[-1].usage.total_tokens, chunks[-1].choices) == (35, [])
    events = await api.settled(2)
    assert [(e.prompt_tokens, e.cached_tokens, e.completion_tokens, e.estimated) for e in events] == [
        (31, 24, 4, False)
    ] * 2


async def test_bytes_may_come_in_any_pieces(api):
    api.engine.plan = ["drip"]
    _, text = await collect(await api.ask(stream=True))
    assert text == TEXT


async def test_text_completions_end_with_usage_of_their_own(api):
    stream = await api.client().completions.create(
        model="tiny", prompt="Say", stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == TEXT
    assert (chunks[-1].usage.completion_tokens, chunks[-1].choices) == (4, [])
    [event] = await api.settled()
    assert event.kind == "completion"


@pytest.mark.parametrize("stream", [False, True])
async def test_n_is_that_many_runs_with_the_prompt_counted_once(api, stream):
    answer = await api.ask(n=3, seed=7, stream=stream)
    if stream:
        texts = ["", "", ""]
        async for chunk in answer:
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    else:
        texts = [choice.message.content for choice in answer.choices]
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (31, 12)
    assert texts == [TEXT] * 3
    assert sorted(body["seed"] for body in api.engine.bodies) == [7, 8, 9]
    assert {body["n"] for body in api.engine.bodies} == {1}
    [event] = await api.settled()
    assert (event.prompt_tokens, event.completion_tokens) == (31, 12)


async def test_several_prompts_are_numbered_and_counted_as_openai_does(api):
    answer = await api.client().completions.create(model="tiny", prompt=["a", "b"], n=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (62, 16)
    assert sorted(body["prompt"] for body in api.engine.bodies) == ["a", "a", "b", "b"]


async def test_an_adapter_is_chosen_with_the_full_list_whatever_the_client_sends(api):
    await api.ask(model="ft:tiny:argosy:mine:1")
    assert api.engine.bodies[0]["lora"] == [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.0}]
    await api.ask()
    assert api.engine.bodies[1]["lora"] == [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 0.0}]
    with pytest.raises(openai.BadRequestError, match="set by the platform"):
        await api.ask(extra_body={"lora": [{"id": 1, "scale": 1.0}]})


async def test_another_projects_model_looks_like_none_at_all(api):
    with pytest.raises(openai.NotFoundError) as theirs:
        await api.ask(model="ft:tiny:argosy:theirs:2")
    with pytest.raises(openai.NotFoundError) as nobodys:
        await api.ask(model="ft:tiny:argosy:theirs:3")
    assert theirs.value.message.replace("theirs:2", "theirs:3") == nobodys.value.message
    assert theirs.value.code == "model_not_found"
    assert "'ft:tiny:argosy:mine:1'" in theirs.value.message
    assert api.events() == []


async def test_a_client_that_leaves_stops_the_engine_and_pays_for_what_it_got(api):
    api.engine.pause_s = 0.05
    stream = await api.ask(stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    [event] = await api.settled()
    assert (event.outcome, event.estimated) == ("client_gone", True)
    assert (event.prompt_tokens, event.cached_tokens) == (31, 24)
    assert 1 <= event.completion_tokens < len(WORDS)
    assert api.engine.cancelled == 1


async def test_a_client_that_leaves_before_anything_came_pays_nothing(api):
    api.engine.plan = ["hang"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.ask(), 0.2)
    [event] = await api.settled()
    assert (event.outcome, event.estimated) == ("client_gone", True)
    assert (event.prompt_tokens, event.completion_tokens) == (0, 0)
    assert api.engine.cancelled == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [("cut", "upstream_cut"), ("stall", "engine_timeout"), ("error", "engine_failed"), ("no done", "upstream_cut")],
)
async def test_a_stream_cut_upstream_ends_with_an_error_and_charges_what_was_delivered(api, fault, code):
    api.engine.plan = [fault, "drop"]  # what is cut once is carried on
    got = []

    async def read():
        async for chunk in await api.ask(stream=True):
            got.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError) as error:
        await read()
    assert error.value.code == code
    assert "core dumped" not in error.value.message
    [event] = await api.settled()
    assert event.outcome == "upstream_cut"
    if fault == "no done":  # the engine's own count had come before the cut
        assert (event.completion_tokens, event.estimated) == (4, False)
    else:
        assert (event.prompt_tokens, event.completion_tokens, event.estimated) == (31, len([w for w in got if w]), True)


async def test_a_cut_stream_has_no_done_on_the_wire(api):
    api.engine.plan = ["cut", "drop"]
    client = api.client()
    async with client.chat.completions.with_streaming_response.create(
        model="tiny", messages=QUESTION, stream=True
    ) as response:
        lines = [line async for line in response.iter_lines() if line]
    assert lines[-1].startswith('data: {"error":{')
    assert "data: [DONE]" not in lines


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["drop", "cut at once", "loading"])
async def test_what_was_lost_before_the_first_byte_is_run_again_and_billed_once(api, fault, stream):
    api.engine.plan = [fault]
    if stream:
        _, text = await collect(await api.ask(stream=True))
    else:
        text = (await api.ask()).choices[0].message.content
    assert text == TEXT
    [event] = await api.settled()
    assert (event.completion_tokens, event.estimated) == (4, False)


async def test_a_request_that_loses_two_engines_is_given_up_and_costs_nothing(api):
    api.engine.plan = ["drop", "drop", "drop"]
    with pytest.raises(openai.InternalServerError) as error:
        await api.ask()
    assert (error.value.status_code, error.value.code) == (502, "engine_lost")
    assert len(api.engine.bodies) == 2
    await api.settled(0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", ""])
async def test_a_replica_that_comes_back_in_time_answers(api, url):
    dispatch, routes = api.gateway._dispatch, list(api.routes)
    dispatch._deadlines = replace(dispatch._deadlines, replica=20)
    api.route([replace(route, url=url) for route in routes])
    asking = asyncio.create_task(api.ask())
    await asyncio.sleep(0.15)
    assert not asking.done()
    api.route(routes)
    assert (await asking).choices[0].message.content == TEXT


async def test_no_replica_at_all_is_503_with_a_time_to_come_back(api):
    api.route([replace(route, url="http://127.0.0.1:9") for route in api.routes])
    with pytest.raises(openai.InternalServerError) as error:
        await api.ask(stream=True)
    assert (error.value.status_code, error.value.code) == (503, "no_replica_ready")
    assert error.value.response.headers["retry-after"] == "2"
    await api.settled(0)


async def test_an_engine_that_hangs_before_its_headers_is_given_up(api):
    api.engine.plan = ["hang"]
    with pytest.raises(openai.InternalServerError) as error:
        await api.ask()
    assert (error.value.status_code, error.value.code) == (502, "engine_timeout")
    await api.settled(0)


async def test_too_long_a_prompt_is_told_with_both_counts(api):
    api.engine.plan = ["too long"]
    with pytest.raises(openai.BadRequestError) as error:
        await api.ask(stream=True)
    assert error.value.code == "context_length_exceeded"
    assert "8192" in error.value.message
    assert "9031" in error.value.message
    await api.settled(0)


@pytest.mark.parametrize("fault", ["bad", "failure", "garbage"])
async def test_an_engines_own_words_stay_inside(api, fault):
    api.engine.plan = [fault]
    with pytest.raises(openai.APIStatusError) as error:
        await api.ask()
    assert error.value.status_code == (400 if fault == "bad" else 502)
    for secret in ("json.exception", "secret", "html", NAME):
        assert secret not in error.value.message
    if fault == "bad":
        assert error.value.param == "top_k"
    await api.settled(0)


async def test_what_another_part_did_does_not_save_a_failed_request(api):
    api.engine.plan = ["", "failure"]
    with pytest.raises(openai.InternalServerError):
        await api.ask(n=2)
    await api.settled(0)


async def test_a_full_journal_refuses_before_anything_goes_out(api, monkeypatch):
    monkeypatch.setattr(api.journal, "_bytes_max", 0)
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as error:
            await api.ask(stream=stream)
        assert (error.value.status_code, error.value.code) == (503, "journal_full")
    assert api.events() == api.engine.bodies == []


async def test_usage_as_reported_is_usage_as_billed(api):
    reported = [(await api.ask(n=n)).usage for n in (1, 2)]
    billed = await api.settled(2)
    assert [(u.prompt_tokens, u.completion_tokens, u.prompt_tokens_details.cached_tokens) for u in reported] == [
        (e.prompt_tokens, e.completion_tokens, e.cached_tokens) for e in billed
    ]
    assert USAGE["prompt_tokens"] == billed[1].prompt_tokens


async def test_a_model_is_known_from_the_moment_it_is_there(api):
    api.gateway._refresher.stop()
    api.routes.append(replace(api.routes[0], model="newer"))
    with api.database.write() as tx:
        bump_version(tx)
    assert (await api.ask(model="newer")).choices[0].message.content == TEXT


async def test_a_model_that_somebody_else_has_just_loaded_is_known_too(api, monkeypatch):
    """The refresher may load it between our first look and our second, which then finds nothing changed."""
    api.gateway._refresher.stop()
    api.routes.append(replace(api.routes[0], model="newer"))
    with api.database.write() as tx:
        bump_version(tx)
    table = api.gateway._table
    refresh = table.refresh
    monkeypatch.setattr(table, "refresh", lambda: refresh() and refresh())
    assert (await api.ask(model="newer")).choices[0].message.content == TEXT


async def test_a_stop_sequence_in_the_midst_of_a_reply_beside_tools_is_no_failure():
    answer = {"choices": [{"message": {"content": '{"reply": "It is'}, "finish_reason": "stop"}]}
    assert as_calls(answer)["choices"][0]["message"]["content"] == "It is"


WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_a_forced_tool_call_is_an_answer_held_to_the_tools_schema(api, choice):
    answer = await api.ask(tools=[WEATHER], tool_choice=choice)
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris"}')
    assert answer.choices[0].finish_reason == "tool_calls"
    [body] = api.engine.bodies
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["arguments"] == WEATHER["function"]["parameters"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "get_weather" in body["messages"][0]["content"]


async def test_a_streamed_tool_call_says_the_same(api):
    stream = await api.ask(tools=[WEATHER], tool_choice="required", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.tool_calls[0].function.name == "get_weather"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None, "tool_calls"]
    assert chunks[-1].usage.completion_tokens == 4
    await api.settled(1)


async def test_with_a_free_choice_the_model_may_reply_in_words(api):
    answer = await api.ask(tools=[WEATHER])
    assert answer.choices[0].message.content == 'It is "sunny".'
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    [body] = api.engine.bodies
    call, reply = body["response_format"]["json_schema"]["schema"]["anyOf"]
    assert call["properties"]["name"]["enum"] == ["get_weather"]
    assert reply["required"] == ["reply"]


async def test_without_a_choice_the_tools_are_not_there(api):
    assert (await api.ask(tools=[WEATHER], tool_choice="none")).choices[0].message.content == TEXT


async def test_earlier_calls_and_results_reach_the_engine_in_roles_that_it_knows(api):
    function = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    await api.ask(
        tools=[WEATHER],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        ],
    )
    [body] = api.engine.bodies
    assert body["messages"][1:] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": '{"name":"get_weather","arguments":{"city":"Paris"}}'},
        {"role": "user", "content": "The function returned: sunny"},
    ]


@pytest.mark.parametrize(("text", "told"), [('{"reply": "It is', "It is"), ('{"name": "get_w', '{"name": "get_w')])
def test_what_the_token_limit_cut_short_is_told_as_far_as_it_goes(text, told):
    answer = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "length"}]}
    [choice] = as_calls(answer)["choices"]
    assert choice["message"]["content"] == told
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_goes_out_before_the_intent_is_on_disk(api, monkeypatch, stream):
    real, gate = api.journal.intent, asyncio.Event()

    async def slow(intent):
        await real(intent)
        await gate.wait()

    monkeypatch.setattr(api.journal, "intent", lambda intent: asyncio.ensure_future(slow(intent)))
    asking = asyncio.create_task(api.ask(stream=stream))
    for _ in range(500):
        if api.engine.bodies:
            break
        await asyncio.sleep(0.01)
    assert api.engine.bodies, "the engine works meanwhile"
    await asyncio.sleep(0.1)
    assert not asking.done()
    gate.set()
    answer = await asking
    text = (await collect(answer))[1] if stream else answer.choices[0].message.content
    assert text == TEXT
    await api.settled()


async def test_a_request_in_flight_ends_where_it_began_when_routes_change(api):
    api.engine.pause_s = 0.02
    stream = await api.ask(stream=True)
    async with running_engine() as successor:
        api.route([replace(route, url=successor.url) for route in api.routes])
        assert (await collect(stream))[1] == TEXT
        await api.ask()
        assert (len(api.engine.bodies), len(successor.bodies)) == (1, 1)
    assert [event.outcome for event in await api.settled(2)] == ["complete", "complete"]
