"""Embeddings and rerankings through the data plane."""

from dataclasses import replace

import openai
import pytest


@pytest.fixture
def numbers(api):
    """The API, with a model for each kind of numbers."""
    base = api.routes[0]
    more = [replace(base, model=kind, base_model="tiny", modality=kind) for kind in ("embedding", "rerank")]
    api.route([*api.routes, *more])
    return api


async def test_an_embedding_is_passed_on_under_our_name_and_billed_by_its_prompt(numbers):
    answer = await numbers.client().embeddings.create(model="embedding", input=["a", "b"], encoding_format="float")
    assert (answer.model, [one.embedding for one in answer.data]) == ("embedding", [[0.5, 0], [0.5, 1]])
    assert numbers.engine.paths == ["/v1/embeddings"]
    [event] = await numbers.settled()
    assert (event.kind, event.prompt_tokens, event.completion_tokens, event.outcome) == ("embedding", 7, 0, "complete")


async def test_a_reranking_likewise(numbers):
    body = {"model": "rerank", "query": "q", "documents": ["a", "b"]}
    answer = await numbers.client().post("/rerank", body=body, cast_to=dict)
    assert (answer["model"], [one["index"] for one in answer["results"]]) == ("rerank", [0, 1])
    [event] = await numbers.settled()
    assert (event.kind, event.prompt_tokens) == ("rerank", 7)


@pytest.mark.parametrize("fault", ["drop", "loading"])
async def test_a_lost_run_is_tried_again(numbers, fault):
    numbers.engine.plan = [fault]
    await numbers.client().embeddings.create(model="embedding", input="a", encoding_format="float")
    assert len(numbers.engine.bodies) == 2
    await numbers.settled()


@pytest.mark.parametrize(
    ("path", "body", "right"),
    [
        ("/embeddings", {"model": "tiny", "input": "a"}, "/v1/chat/completions"),
        ("/embeddings", {"model": "rerank", "input": "a"}, "/v1/rerank"),
        ("/rerank", {"model": "embedding", "query": "q", "documents": ["a"]}, "/v1/embeddings"),
        ("/chat/completions", {"model": "embedding", "messages": [{"role": "user", "content": "a"}]}, "/v1/embeddings"),
    ],
)
async def test_the_wrong_path_for_a_model_names_the_right_one(numbers, path, body, right):
    with pytest.raises(openai.BadRequestError, match=right) as refused:
        await numbers.client().post(path, body=body, cast_to=dict)
    assert refused.value.code == "wrong_kind_of_model"
    assert numbers.events() == []


@pytest.mark.parametrize(
    "body",
    [
        {"query": "", "documents": ["a"]},
        {"query": "q", "documents": []},
        {"query": "q", "documents": ["a", ""]},
        {"query": "q", "documents": ["a"], "top_n": 0},
        {"query": "q", "documents": ["a"], "lora": []},
        {"documents": ["a"]},
    ],
)
async def test_a_malformed_reranking_is_refused(numbers, body):
    with pytest.raises(openai.BadRequestError):
        await numbers.client().post("/rerank", body={"model": "rerank", **body}, cast_to=dict)
