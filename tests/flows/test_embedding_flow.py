"""What a developer does with embeddings, in two languages, on the real engine."""

import base64
import struct

import openai
import pytest
from tests.flows.platform import STARTER

EMBEDDER = "multilingual-e5-small"
PASSAGES = [
    "passage: The harbour closes at nine in the evening.",
    "passage: 华北地区三月的销售额比去年增长了一成。",
    "passage: Bread is baked from flour, water, salt and yeast.",
]


@pytest.fixture(scope="module")
def client(platform):
    platform.client.post("/deployments", body={"model": EMBEDDER}, cast_to=object)
    platform.wait_for_model(EMBEDDER)
    return platform.client


def embed(client, texts, **more):
    return client.embeddings.create(model=EMBEDDER, input=texts, **more)


def nearest(client, query):
    query, *passages = (one.embedding for one in embed(client, [f"query: {query}", *PASSAGES]).data)
    scores = [sum(a * b for a, b in zip(query, passage, strict=True)) for passage in passages]
    return scores.index(max(scores))


@pytest.mark.parametrize(
    ("query", "passage"),
    [
        ("when does the port shut?", 0),
        ("sales in North China in March", 1),
        ("华北销售情况", 1),
        ("怎么做面包", 2),
    ],
)
def test_a_question_finds_its_passage_across_languages(client, query, passage):
    assert nearest(client, query) == passage


def test_the_answer_has_openais_shape_and_is_billed_by_its_prompt(client, platform):
    answer = embed(client, PASSAGES)
    assert (answer.object, answer.model, [one.index for one in answer.data]) == ("list", EMBEDDER, [0, 1, 2])
    assert {len(one.embedding) for one in answer.data} == {384}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 30
    row = next(row for row in platform.usage_rows() if row["kind"] == "embedding")
    assert row["usage"]["completion_tokens"] == 0 < row["usage"]["prompt_tokens"]


def test_base64_and_numbers_say_the_same(client):
    def raw(form):
        body = {"model": EMBEDDER, "input": "Ahoy", "encoding_format": form}
        return client.post("/embeddings", body=body, cast_to=dict)["data"][0]["embedding"]

    packed = base64.b64decode(raw("base64"))
    assert list(struct.unpack(f"<{len(packed) // 4}f", packed)) == pytest.approx(raw("float"), abs=1e-6)


def test_a_text_is_embedded_alike_alone_and_in_a_batch(client):
    alone = [embed(client, text).data[0].embedding for text in PASSAGES]
    batch = [one.embedding for one in embed(client, PASSAGES * 20).data]
    for place, vector in enumerate(batch):
        assert vector == pytest.approx(alone[place % 3], abs=2e-3)


def test_a_text_that_is_too_long_is_refused_with_both_counts(client):
    with pytest.raises(openai.BadRequestError, match=r"512 tokens.*\d{4} tokens") as refused:
        embed(client, "ahoy there " * 2000)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"input": []}, "invalid_value"),
        ({"input": ["a", ""]}, "invalid_value"),
        ({"input": ["a", 1]}, "invalid_value"),
        ({"input": "a", "dimensions": 8}, "unsupported_parameter"),
        ({"input": "a", "encoding_format": "hex"}, "invalid_value"),
        ({"input": "a", "model": STARTER}, "wrong_kind_of_model"),
        ({}, "missing_required_parameter"),
    ],
)
def test_mistakes_are_told(client, wrong, code):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/embeddings", body={"model": EMBEDDER, **wrong}, cast_to=dict)
    assert refused.value.code == code


def test_an_embedding_model_does_not_chat(client):
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings") as refused:
        client.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "Ahoy"}])
    assert refused.value.code == "wrong_kind_of_model"
