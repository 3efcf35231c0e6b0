"""What a developer does with embeddings, in two languages, on the real engine."""

import openai
import pytest

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


def test_a_text_is_embedded_alike_alone_and_in_a_batch(client):
    alone = [embed(client, text).data[0].embedding for text in PASSAGES]
    batch = [one.embedding for one in embed(client, PASSAGES * 20).data]
    for place, vector in enumerate(batch):
        assert vector == pytest.approx(alone[place % 3], abs=2e-3)


def test_a_text_that_is_too_long_is_refused_with_both_counts(client):
    with pytest.raises(openai.BadRequestError, match=r"512 tokens.*\d{4} tokens") as refused:
        embed(client, "ahoy there " * 2000)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
