"""The older completions API: text in, text out."""

import pytest
from tests.flows.platform import STARTER

COUNTING = "One, two, three,"
ASK = {"model": STARTER, "prompt": COUNTING, "max_tokens": 6, "temperature": 0}


def test_a_text_is_gone_on_with(client):
    answer = client.completions.create(**ASK)
    [choice] = answer.choices
    assert (answer.object, answer.model, choice.index, choice.finish_reason) == (
        "text_completion",
        STARTER,
        0,
        "length",
    )
    assert "four" in choice.text
    assert answer.usage.completion_tokens == 6


def test_a_stream_says_the_same(client):
    *told, last = client.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].text for chunk in told) == client.completions.create(**ASK).choices[0].text
    assert {chunk.object for chunk in told} == {"text_completion"}
    assert (told[-1].choices[0].finish_reason, last.choices, last.usage.completion_tokens) == ("length", [], 6)


@pytest.mark.parametrize("streamed", [False, True])
def test_several_prompts_and_choices_are_numbered_prompt_by_prompt(client, streamed):
    asked = {**ASK, "prompt": [COUNTING, "A, B, C,"], "n": 2, "seed": 3}
    if streamed:
        texts = [""] * 4
        for chunk in client.completions.create(**asked, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.text
    else:
        answer = client.completions.create(**asked)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert answer.usage.completion_tokens == 24
        texts = [choice.text for choice in answer.choices]
    assert ["four" in text for text in texts] == [True, True, False, False]
    assert texts[2] == texts[3] != ""


def test_a_prompt_may_be_token_numbers(client):
    answer = client.completions.create(**{**ASK, "prompt": [3725, 28, 827, 28, 1296, 28]})
    assert answer.usage.prompt_tokens == 6
    assert answer.choices[0].text


def test_log_probabilities_have_the_older_shape(client):
    logprobs = client.completions.create(**ASK, logprobs=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 6
    assert all(len(top) == 2 for top in logprobs.top_logprobs)
    assert logprobs.text_offset[0] == 0
    assert logprobs.text_offset == sorted(logprobs.text_offset)


def test_stop_ends_the_text(client):
    [choice] = client.completions.create(**ASK, stop=[" four", " five"]).choices
    assert ("four" in choice.text, choice.finish_reason) == (False, "stop")


@pytest.mark.parametrize("member", [{"echo": True}, {"best_of": 3}, {"suffix": "!"}])
def test_what_is_not_here_is_refused_by_name(client, member):
    with pytest.raises(Exception, match="not supported here") as refused:
        client.completions.create(**ASK, **member)
    assert refused.value.param == next(iter(member))
