"""Answers held to a form: JSON schemas that the engine enforces, pydantic models, plain JSON, and refusals."""

import json
from typing import Literal

import openai
import pytest
from pydantic import BaseModel
from tests.conformance.asking import CHAT, HELLO
from tests.conformance.upstream import Says

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}}
ASK = {**CHAT, "messages": [{"role": "user", "content": "Plan a trip of 3 days to Paris."}], "max_tokens": 60}


class Trip(BaseModel):
    city: Literal["Paris", "Rome"]
    days: Literal[1, 2, 3]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_schema_holds_whatever_the_model_would_say(client, streamed):
    if streamed:
        chunks = client.chat.completions.create(**ASK, response_format=FORM, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    else:
        text = client.chat.completions.create(**ASK, response_format=FORM).choices[0].message.content
    told = json.loads(text)
    assert told["city"] in ("Paris", "Rome")
    assert isinstance(told["days"], int)


def test_a_pydantic_model_is_parsed(client):
    for parse in (client.chat.completions.parse, client.beta.chat.completions.parse):
        message = parse(**ASK, response_format=Trip).choices[0].message
        assert message.parsed.days in (1, 2, 3)
        assert message.refusal is None


def test_a_pydantic_model_is_parsed_from_a_stream(client):
    with client.chat.completions.stream(**ASK, response_format=Trip) as told:
        assert told.get_final_completion().choices[0].message.parsed.city in ("Paris", "Rome")


def test_json_without_a_schema_is_json(client):
    answer = client.chat.completions.create(**ASK, response_format={"type": "json_object"})
    [choice] = answer.choices
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict)
    assert choice.message.content.lstrip().startswith("{")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_comes_through(client, scripted, streamed):
    scripted.script.will(Says(refusal="I will not."))
    asked = {"model": scripted.model, "messages": HELLO, "response_format": Trip}
    if streamed:
        with client.chat.completions.stream(**asked) as told:
            message = told.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.parse(**asked).choices[0].message
    assert (message.refusal, message.parsed) == ("I will not.", None)


def test_a_filtered_answer_says_so(client, scripted):
    scripted.script.will(Says(words=("Well",), finish="content_filter"), Says(words=("Well",), finish="content_filter"))
    answer = client.chat.completions.create(model=scripted.model, messages=HELLO)
    assert answer.choices[0].finish_reason == "content_filter"
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model=scripted.model, messages=HELLO, response_format=Trip)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "strange"}}}, None),
        ({"type": "yaml"}, None),
        ({}, "response_format.type"),
        ("json", "response_format"),
    ],
)
def test_a_form_that_does_not_exist_is_refused(client, form, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**ASK, response_format=form)
    assert (refused.value.type, refused.value.param) == ("invalid_request_error", param)
