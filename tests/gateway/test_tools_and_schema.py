"""Tools and a JSON schema at once: a call, or an answer that holds to the schema; and schemas with definitions."""

import json

import openai
import pytest

from argosy.gateway.schemas import Definitions
from argosy.gateway.tools import as_calls

CITY = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "$defs": {"City": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
TREE = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}, "leaf": {"$ref": "#/definitions/Leaf"}},
    "definitions": {"Leaf": {"type": "integer"}},
}


def form(schema):
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": True}}


async def test_an_answer_that_calls_nothing_holds_to_the_clients_schema(api):
    answer = await api.ask(tools=[WEATHER], response_format=form({"type": "object"}))
    assert answer.choices[0].message.content == '{"sky": "blue", "n": 1.50}'
    assert (answer.choices[0].message.tool_calls, answer.choices[0].finish_reason) == (None, "stop")
    [body] = api.engine.bodies
    call, said = body["response_format"]["json_schema"]["schema"]["anyOf"]
    assert call["properties"]["name"]["enum"] == ["get_weather"]
    assert said["properties"] == {"answer": {"type": "object"}}
    assert '{"type":"object"}' in body["messages"][0]["content"], "the model is told of it"


async def test_a_stream_says_the_same(api):
    stream = await api.ask(tools=[WEATHER], response_format={"type": "json_object"}, stream=True)
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert json.loads(said) == {"sky": "blue", "n": 1.5}


async def test_a_forced_call_needs_no_schema_of_an_answer(api):
    answer = await api.ask(tools=[WEATHER], tool_choice="required", response_format=form(TREE))
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"
    assert "answer" not in json.dumps(api.engine.bodies[0]["response_format"])


@pytest.mark.parametrize(
    "wrong",
    [{"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}, form([]), form("x"), form(None)],
)
async def test_a_schema_that_is_none_is_refused(api, wrong):
    with pytest.raises(openai.BadRequestError) as error:
        await api.ask(tools=[WEATHER], response_format=wrong)
    assert error.value.param.startswith("response_format.json_schema.schema")
    assert api.engine.bodies == []


def test_definitions_keep_what_they_mean():
    definitions = Definitions()
    placed = [definitions.place(schema) for schema in (CITY, {"type": "string"}, TREE, True)]
    whole = definitions.one_of([{"properties": {"x": each}} for each in placed])
    assert placed == [{"$ref": "#/$defs/part_0"}, {"type": "string"}, {"$ref": "#/$defs/part_1"}, True]
    city, tree = whole["$defs"]["part_0"], whole["$defs"]["part_1"]
    assert city["properties"]["city"] == {"$ref": "#/$defs/part_0/$defs/City"}
    assert tree["properties"]["kids"]["items"] == {"$ref": "#/$defs/part_1"}
    assert tree["properties"]["leaf"] == {"$ref": "#/$defs/part_1/definitions/Leaf"}
    assert TREE["properties"]["kids"]["items"] == {"$ref": "#"}, "the client's own is not touched"


def test_a_property_may_be_called_ref():
    schema = {"type": "object", "properties": {"$ref": {"type": "string"}}}
    assert Definitions().place(schema) == schema


@pytest.mark.parametrize(
    ("text", "finish", "told"),
    [
        ('{"answer": {"a": [1.50, "x"]}}', "stop", '{"a": [1.50, "x"]}'),
        ('\n{ "answer" :"yes"}', "stop", '"yes"'),
        ('{"answer": {"a": [1.5', "length", '{"a": [1.5'),
        ('{"answer": {"a": 1}}', "length", '{"a": 1}'),
    ],
)
def test_the_answer_is_told_in_the_models_own_words(text, finish, told):
    answer = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish}]}
    [choice] = as_calls(answer)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (told, finish)
