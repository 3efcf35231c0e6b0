import json

import jsonschema
import pytest

from argosy.assistants.charts import ChartSpec, json_schema, response_format
from argosy.samples import held_out


def test_every_sample_answer_obeys_the_schema(english, chinese):
    for language, table in (("en", english), ("zh", chinese)):
        schema = json_schema(table)
        for row in held_out(language):
            jsonschema.validate(json.loads(row.answer), schema)


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": {"region": "Atlantis"}},
        {"filters": {"planet": "Mars"}},
        {"group_by": "sales"},
        {"start": "yesterday"},
        {"extra": 1},
    ],
)
def test_the_schema_allows_only_what_the_table_has(answer, english, fields):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(answer(**fields)), json_schema(english))


def test_without_values_a_filter_takes_any_text(answer, english):
    schema = json_schema(english, values=False)
    jsonschema.validate(json.loads(answer(filters={"region": "Atlantis"})), schema)


def test_the_fields_stand_in_the_order_of_the_spec(english):
    schema = response_format(english)["json_schema"]["schema"]
    assert list(schema["properties"]) == list(ChartSpec.__struct_fields__) == schema["required"]


def test_llama_cpp_accepts_the_schema_and_keeps_the_values(english, chinese):
    xllamacpp = pytest.importorskip("xllamacpp")
    for table in (english, chinese):
        grammar = xllamacpp.json_schema_to_grammar(json.dumps(json_schema(table), ensure_ascii=False))
        assert all(value in grammar for value in table.values("region"))
