"""Chat completions, whole and streamed, on the real engine: what the members of a request do to the answer."""

import json

import httpx
import pytest
from openai import LengthFinishReasonError
from tests.conformance.asking import CHAT, HELLO, words_of
from tests.conformance.upstream import Says
from tests.flows.platform import KEY, STARTER

WARM = {**CHAT, "temperature": 1.0}


def stream(client, **members):
    return list(client.chat.completions.create(**{**CHAT, **members}, stream=True))


def test_a_whole_answer(client):
    answer = client.chat.completions.create(**CHAT)
    [choice] = answer.choices
    assert (answer.object, answer.model, answer.id[:4]) == ("chat.completion", STARTER, "req_")
    assert (choice.index, choice.message.role, choice.message.tool_calls) == (0, "assistant", None)
    assert choice.message.content
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens >= usage.prompt_tokens_details.cached_tokens >= 0


def test_a_stream_opens_with_the_role_says_the_same_words_and_closes(client):
    whole = client.chat.completions.create(**CHAT).choices[0]
    chunks = stream(client)
    assert {(chunk.object, chunk.model, chunk.id) for chunk in chunks} == {
        ("chat.completion.chunk", STARTER, chunks[0].id)
    }
    assert chunks[0].choices[0].delta.role == "assistant"
    assert words_of(chunks) == whole.message.content
    finishes = [chunk.choices[0].finish_reason for chunk in chunks]
    assert finishes == [None] * (len(chunks) - 1) + [whole.finish_reason]


def test_usage_is_in_a_stream_for_those_who_ask_and_comes_last(client):
    assert all(chunk.usage is None and chunk.choices for chunk in stream(client))
    *told, last = stream(client, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == client.chat.completions.create(**CHAT).usage.completion_tokens
    assert all(chunk.usage is None and chunk.choices for chunk in told)


def test_the_bytes_of_a_stream_are_events_that_end_with_done(platform):
    headers = {"authorization": f"Bearer {KEY}"}
    body = {**CHAT, "stream": True}
    answer = httpx.post(f"{platform.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, done, nothing = answer.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events)


def test_the_helper_of_the_sdk_collects_a_stream(client):
    asked = {**CHAT, "max_tokens": 60}
    with client.chat.completions.stream(**asked) as told:
        kinds = [event.type for event in told]
        final = told.get_final_completion()
    assert final.choices[0].message.content == client.chat.completions.create(**asked).choices[0].message.content
    assert {"chunk", "content.delta", "content.done"} == set(kinds)


def test_the_helper_tells_of_an_answer_that_was_cut_short(client):
    with client.chat.completions.stream(**{**CHAT, "max_tokens": 2}) as told, pytest.raises(LengthFinishReasonError):
        told.get_final_completion()


@pytest.mark.parametrize("bound", ["max_tokens", "max_completion_tokens"])
def test_a_bound_on_tokens_ends_the_answer_with_length(client, bound):
    asked = {"model": STARTER, "messages": [{"role": "user", "content": "Tell me a long story."}], "temperature": 0}
    answer = client.chat.completions.create(**asked, **{bound: 3})
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (3, "length")


def test_an_answer_that_is_over_ends_with_stop(client):
    answer = client.chat.completions.create(**{**CHAT, "max_tokens": 200})
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens < 200


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_stop_ends_the_answer_before_the_word(client, streamed, several):
    counting = [{"role": "user", "content": "Repeat after me: one two three four five six seven"}]
    whole = (
        client.chat.completions.create(**{**CHAT, "messages": counting, "max_tokens": 30}).choices[0].message.content
    )
    word = whole.split()[2]
    stop = ["\n\n\n", word] if several else word
    asked = {**CHAT, "messages": counting, "max_tokens": 30, "stop": stop}
    if streamed:
        chunks = list(client.chat.completions.create(**asked, stream=True))
        said, finish = words_of(chunks), chunks[-1].choices[0].finish_reason
    else:
        [choice] = client.chat.completions.create(**asked).choices
        said, finish = choice.message.content, choice.finish_reason
    assert finish == "stop"
    assert word not in said
    assert said == whole[: whole.index(word)]


@pytest.mark.parametrize("streamed", [False, True])
def test_n_choices_are_numbered_and_all_are_counted(client, streamed):
    if streamed:
        chunks = stream(client, temperature=1.0, seed=7, n=3, stream_options={"include_usage": True})
        choices = [words_of(chunks, index) for index in range(3)]
        ended = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        usage = chunks[-1].usage
        assert sorted(ended) == [0, 1, 2]
    else:
        answer = client.chat.completions.create(**WARM, seed=7, n=3)
        choices, usage = [choice.message.content for choice in answer.choices], answer.usage
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
    alone = client.chat.completions.create(**WARM, seed=7)
    assert len(set(choices)) > 1
    assert usage.prompt_tokens == alone.usage.prompt_tokens
    assert usage.completion_tokens > alone.usage.completion_tokens


def test_a_seed_gives_the_same_words_again_and_another_one_others(client):
    def say(seed):
        return client.chat.completions.create(**{**WARM, "max_tokens": 24}, seed=seed).choices[0].message.content

    assert say(11) == say(11)
    assert len({say(seed) for seed in (11, 12, 13)}) > 1


@pytest.mark.parametrize("streamed", [False, True])
def test_log_probabilities_of_every_token(client, streamed):
    if streamed:
        chunks = stream(client, logprobs=True, top_logprobs=2)
        told = [choice.logprobs.content for chunk in chunks for choice in chunk.choices if choice.logprobs]
        tokens, said = [token for each in told for token in each or ()], words_of(chunks)
    else:
        [choice] = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=2).choices
        tokens, said = choice.logprobs.content, choice.message.content
    assert "".join(token.token for token in tokens).startswith(said)
    for token in tokens:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 2
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob)  # greedy: the most likely one was taken
        assert bytes(token.bytes).decode(errors="replace") == token.token or "�" in token.token


def test_no_log_probabilities_unless_they_are_asked_for(client):
    assert client.chat.completions.create(**CHAT).choices[0].logprobs is None


def test_every_role_and_shape_of_a_message_is_taken(client):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "name": "ada",
            "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello"}],
        },
        {"role": "assistant", "content": "Hello."},
        *HELLO,
    ]
    assert client.chat.completions.create(**{**CHAT, "messages": messages}).choices[0].message.content


def test_members_that_change_nothing_here_are_accepted(client):
    more = {"user": "ada", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "logit_bias": {}}
    plain = client.chat.completions.create(**CHAT)
    assert client.chat.completions.create(**CHAT, **more).choices[0].message == plain.choices[0].message


def test_a_bias_forbids_a_token(client):
    def first(**members):
        return client.chat.completions.create(**{**CHAT, "max_tokens": 1}, logprobs=True, **members).choices[0]

    token = first().logprobs.content[0]
    assert first(logit_bias={str(token.model_extra["id"]): -100}).logprobs.content[0].token != token.token


def test_penalties_are_for_the_engine_to_apply(client, scripted):
    scripted.script.will(Says(words=("Hello",)))
    given = {"presence_penalty": 1.5, "frequency_penalty": -1, "top_p": 0.5, "reasoning_effort": "low"}
    client.chat.completions.create(model=scripted.model, messages=HELLO, **given)
    assert given.items() <= scripted.script.bodies[0].items()
