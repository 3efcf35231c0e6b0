"""Keys and bills of chat on the real engine. What the answers are like is in `tests/conformance`."""

import json

import openai
from tests.flows.platform import STARTER, until

from argosy.core import charge

ASK = {"model": STARTER, "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0, "max_tokens": 12}


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
