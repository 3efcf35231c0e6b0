"""Embeddings, as numbers and as base64."""

import base64
import struct

import openai
import pytest
from tests.conformance.conftest import EMBEDDER
from tests.flows.platform import STARTER

TEXTS = ["query: when does the port shut?", "passage: 港口六点关门。"]


def raw(client, form):
    body = {"model": EMBEDDER, "input": TEXTS, "encoding_format": form}
    return client.post("/embeddings", body=body, cast_to=dict)["data"]


def test_every_text_has_its_vector_in_its_place(client):
    answer = client.embeddings.create(model=EMBEDDER, input=TEXTS)
    assert (answer.object, answer.model, [one.index for one in answer.data]) == ("list", EMBEDDER, [0, 1])
    assert {len(one.embedding) for one in answer.data} == {384}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0
    alone = client.embeddings.create(model=EMBEDDER, input=TEXTS[0]).data[0].embedding
    assert answer.data[0].embedding == pytest.approx(alone, abs=2e-3)


def test_base64_and_numbers_say_the_same_and_the_sdk_takes_both(client):
    numbers, packed = raw(client, "float"), raw(client, "base64")
    for one, other in zip(numbers, packed, strict=True):
        data = base64.b64decode(other["embedding"])
        assert list(struct.unpack(f"<{len(data) // 4}f", data)) == pytest.approx(one["embedding"], abs=1e-6)
    told = client.embeddings.create(model=EMBEDDER, input=TEXTS, encoding_format="float").data[0].embedding
    assert told == pytest.approx(numbers[0]["embedding"], abs=1e-6)


async def test_the_same_asynchronously(aclient):
    assert len((await aclient.embeddings.create(model=EMBEDDER, input="Ahoy")).data[0].embedding) == 384


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"input": []}, "invalid_value", "input"),
        ({"input": ["a", ""]}, "invalid_value", "input"),
        ({"dimensions": 8}, "unsupported_parameter", "dimensions"),
        ({"encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"model": STARTER}, "wrong_kind_of_model", "model"),
        ({"input": "ahoy there " * 2000}, "context_length_exceeded", "input"),
    ],
)
def test_mistakes_are_told_by_name(client, wrong, code, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/embeddings", body={"model": EMBEDDER, "input": "a", **wrong}, cast_to=dict)
    assert (refused.value.code, refused.value.param) == (code, param)
