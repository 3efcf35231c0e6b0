"""Clients that give up, leave, or try again: the work stops, and each request is on the bill once."""

import openai
import pytest
from tests.conformance.asking import CHAT, HELLO, rows_of, words_of
from tests.conformance.upstream import Fails, Hangs, Says
from tests.flows.platform import KEY, STARTER, until

PATIENCE_S = 2.0


def ask(client, scripted, **members):
    return client.chat.completions.create(model=scripted.model, messages=HELLO, **members)


def test_a_client_that_gives_up_on_a_whole_answer_stops_the_work(client, scripted, platform):
    scripted.script.will(Hangs())
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=PATIENCE_S), scripted)
    assert scripted.script.left.wait(20)
    [row] = rows_of(platform, scripted.model)
    assert (row["outcome"], row["usage"]["completion_tokens"]) == ("client_gone", 0)


def test_a_client_that_gives_up_on_a_stream_pays_what_it_was_given(client, scripted, platform):
    scripted.script.will(Says(words=("Once", " upon"), then="hang"))
    stream, chunks = ask(client.with_options(timeout=PATIENCE_S), scripted, stream=True), []
    with pytest.raises(openai.APITimeoutError):
        chunks.extend(stream)
    assert words_of(chunks) == "Once upon"
    assert scripted.script.left.wait(20)
    [row] = rows_of(platform, scripted.model)
    assert (row["outcome"], row["usage"]["completion_tokens"], row["estimated"]) == ("client_gone", 2, True)


async def test_a_client_that_leaves_a_stream_stops_the_work(aclient, scripted, platform):
    scripted.script.will(Says(words=("Once",), then="hang"))
    stream = await aclient.chat.completions.create(model=scripted.model, messages=HELLO, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    assert scripted.script.left.wait(20)
    [row] = rows_of(platform, scripted.model)
    assert row["outcome"] == "client_gone"


def test_leaving_stops_our_own_engine_too(client, platform):
    long = {**CHAT, "messages": [{"role": "user", "content": "Tell me a long story."}], "max_tokens": 2000}
    stream = client.chat.completions.create(**long, stream=True)
    first = next(iter(stream))
    stream.close()

    def row():
        return next((row for row in platform.usage_rows() if row["id"] == first.id), None)

    found = until(row, 30, "the request that was left is not on the bill")
    assert found["outcome"] == "client_gone"
    assert found["usage"]["completion_tokens"] < 2000
    assert client.chat.completions.create(**CHAT).choices  # the engine has room again


@pytest.mark.parametrize("step", [Fails(429, retry_after=1), Fails(503, retry_after=1), Fails(500)])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_sdk_tries_again_and_only_the_answer_is_paid(client, scripted, platform, step, streamed):
    scripted.script.will(step, Says(words=("Hello",)))
    patient = client.with_options(max_retries=5)
    raw = patient.chat.completions.with_raw_response.create(model=scripted.model, messages=HELLO, stream=streamed)
    answer = raw.parse()
    said = "".join(c.choices[0].delta.content or "" for c in answer) if streamed else answer.choices[0].message.content
    assert said == "Hello"
    assert raw.retries_taken >= 1
    assert len(scripted.script.bodies) == 2
    [row] = rows_of(platform, scripted.model)
    assert (row["outcome"], row["usage"]["completion_tokens"]) == ("complete", 4)


def test_the_sdk_does_not_try_again_what_is_wrong(client, scripted):
    scripted.script.will(Fails(400, "no such member"), Says(words=("Hello",)))
    with pytest.raises(openai.BadRequestError):
        ask(client.with_options(max_retries=3), scripted)
    assert len(scripted.script.bodies) == 1


def test_without_retries_there_is_one_attempt(client, scripted):
    scripted.script.will(Fails(500), Says(words=("Hello",)))
    with pytest.raises(openai.InternalServerError):
        ask(client, scripted)
    assert len(scripted.script.bodies) == 1


def test_a_server_that_goes_away_in_the_middle_is_a_connection_error(platform, scripted):
    """At the end of this file, since the API starts again after it."""
    scripted.script.will(Says(words=("Once",), then="hang"))
    client = openai.OpenAI(api_key=KEY, base_url=f"{platform.url}/v1", max_retries=0, timeout=60)
    stream = ask(client, scripted, stream=True)
    told = iter(stream)
    while not next(told).choices[0].delta.content:
        pass
    platform.kill("argosy api")
    with pytest.raises(openai.APIConnectionError):
        list(told)
    platform.wait_for_model(STARTER)
    [row] = rows_of(platform, scripted.model)
    assert row["estimated"]
    assert row["usage"]["completion_tokens"] <= 1  # what was told a moment before may not have been written down
