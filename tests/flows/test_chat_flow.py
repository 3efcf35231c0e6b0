"""What a developer does with an OpenAI client, on the real engine."""

import json
import re

import openai
import pytest
from tests.flows.platform import STARTER, until

from argosy.core import charge

ASK = {"model": STARTER, "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0, "max_tokens": 12}


def test_a_stream_and_a_whole_answer_say_the_same(client):
    whole = client.chat.completions.create(**ASK)
    stream = client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert whole.model == STARTER


def test_usage_comes_only_to_those_who_asked(client):
    chunks = list(client.chat.completions.create(**ASK, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_a_json_schema_is_enforced_by_the_engine(client):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=STARTER,
        messages=[{"role": "user", "content": "Write whatever you like."}],
        max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "trip", "schema": schema, "strict": True}},
    )
    assert json.loads(answer.choices[0].message.content)["city"] in ("Paris", "Rome")


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_a_free_choice_of_tools_ends_in_a_call_or_in_words(client):
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(
        model=STARTER, messages=question, tools=[WEATHER], max_tokens=60, temperature=0
    )
    choice = answer.choices[0]
    assert bool(choice.message.tool_calls) == (choice.finish_reason == "tool_calls")
    assert choice.message.tool_calls or choice.message.content


def test_a_required_tool_is_called_with_arguments_of_its_schema(client):
    answer = client.chat.completions.create(
        model=STARTER,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        tool_choice="required",
        max_tokens=60,
        temperature=0,
    )
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)


def test_tools_and_a_schema_with_definitions_of_their_own(client):
    """As pydantic writes them: references count from the root of each schema."""
    place = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "required": ["city"]}
    place |= {"$defs": {"City": {"enum": ["Paris", "Rome"]}}, "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": place}}
    ask = {**ASK, "max_tokens": 120, "tools": [tool]}
    forced = client.chat.completions.create(**ask, tool_choice="required")
    assert json.loads(forced.choices[0].message.tool_calls[0].function.arguments)["city"] in ("Paris", "Rome")
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": place, "strict": True}}
    message = client.chat.completions.create(**ask, response_format=form).choices[0].message
    said = message.tool_calls[0].function.arguments if message.tool_calls else message.content
    assert json.loads(said)["city"] in ("Paris", "Rome")


def test_n_answers_are_n_choices_and_all_of_them_are_counted(client):
    answer = client.chat.completions.create(**{**ASK, "temperature": 1.0}, n=3, seed=7)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens > 3


def test_the_same_seed_gives_the_same_words(client):
    warm = {**ASK, "temperature": 1.0, "seed": 11}
    first, second = (client.chat.completions.create(**warm).choices[0].message.content for _ in range(2))
    assert first == second


def test_stop_and_logprobs(client):
    answer = client.chat.completions.create(**ASK, logprobs=True, top_logprobs=2, stop=["hello", "Hello"])
    assert "hello" not in (answer.choices[0].message.content or "").lower()
    answer = client.chat.completions.create(**ASK, logprobs=True, top_logprobs=2)
    first = answer.choices[0].logprobs.content[0]
    assert first.logprob <= 0
    assert len(first.top_logprobs) == 2


def test_text_completions(client):
    answer = client.completions.create(model=STARTER, prompt="One, two, three,", max_tokens=6, temperature=0)
    assert answer.object == "text_completion"
    assert "four" in answer.choices[0].text


def test_a_prompt_that_is_too_long_is_refused_with_both_counts(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{**ASK, "messages": [{"role": "user", "content": "word " * 9000}]})
    assert refused.value.code == "context_length_exceeded"
    counts = [int(word) for word in re.findall(r"[0-9]+", refused.value.message.replace(",", ""))]
    assert 4096 in counts
    assert any(count > 9000 for count in counts)


def test_an_unknown_model_names_its_neighbours(client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(**{**ASK, "model": "smollm2-135m-instuct"})
    assert unknown.value.code == "model_not_found"
    assert STARTER in unknown.value.message


def test_a_revoked_key_is_refused_within_a_second(platform):
    made = platform.client.post("/keys", cast_to=object, body={"name": "soon gone", "scopes": ["inference"]})
    other = openai.OpenAI(api_key=made["value"], base_url=f"{platform.url}/v1", max_retries=0)
    assert other.chat.completions.create(**ASK).choices
    platform.client.delete(f"/keys/{made['id']}", cast_to=object)

    def refused():
        try:
            other.chat.completions.create(**ASK)
        except openai.AuthenticationError as error:
            return error.code == "invalid_api_key"

    until(refused, 1, "the revoked key still works")


def test_every_answer_is_on_the_bill_to_the_micro_unit(platform):
    before = {row["id"] for row in platform.usage_rows()}
    answers = [platform.client.chat.completions.create(**ASK) for _ in range(3)]
    fresh = [row for row in platform.usage_rows() if row["id"] not in before]
    price = {price["model"]: price for price in platform.get("/prices")["data"]}[STARTER]
    reported = sorted(amounts_of(answer.usage, price) for answer in answers)
    assert sorted(row["total"] for row in fresh) == reported
    assert all(row["model"] == STARTER and not row["estimated"] for row in fresh)


def amounts_of(usage, price):
    """What a client works out for itself from one response, in micro-units."""
    cached = usage.prompt_tokens_details.cached_tokens
    return (
        charge(usage.prompt_tokens - cached, price["input"])
        + charge(cached, price["cached_input"])
        + charge(usage.completion_tokens, price["output"])
    )
