"""The catalog over HTTP: cards for everyone, versions for their own project."""

import openai
import pytest
from tests.serving.tiny import write_model

from argosy.catalog import Lineage, register_adapter
from argosy.identity import create_key, create_project

BASE = "smollm2-135m-instruct"
LINEAGE = Lineage(BASE, "b" * 64, "d" * 64, "ftjob-1", "0.1.0", {"n_epochs": 3})


async def test_cards_are_listed_with_their_facts(api):
    client = api.client(api.key("inference"))
    listed = await client.get("/catalog", cast_to=dict)
    card = next(card for card in listed["data"] if card["name"] == BASE)
    assert (card["object"], card["licence"], card["context_length"]) == ("model_card", "Apache-2.0", 8192)
    assert await client.get(f"/catalog/{BASE}", cast_to=dict) == card


async def test_an_unknown_name_gets_near_ones_suggested(api):
    with pytest.raises(openai.NotFoundError, match=f"Did you mean '{BASE}'") as missing:
        await api.client().get("/catalog/smollm2-135m", cast_to=dict)
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("query", "has", "lacks"),
    [
        ({"family": "qwen3"}, "qwen3-8b", "qwen2.5-7b-instruct"),
        ({"modality": "embedding"}, "bge-m3", BASE),
        ({"modality": "rerank"}, "bge-reranker-v2-m3", "bge-m3"),
        ({"hosted": True}, "gpt-6-luna", BASE),
        ({"provider": "openai"}, "gpt-6-luna", "azure-gpt-6-luna"),
        ({"commercial": False}, "qwen2.5-3b-instruct", "qwen2.5-7b-instruct"),
        ({"fits": True}, BASE, "grok-1"),
        ({"fits": False}, "llama-3.1-405b-instruct", BASE),
        ({"parameters_max": 200_000_000}, BASE, "bge-m3"),
        ({"q": "LLAMA 70b"}, "llama-3.1-70b-instruct", "llama-3.1-8b-instruct"),
        ({"language": "zh"}, "qwen2.5-7b-instruct", BASE),
    ],
)
async def test_cards_are_filtered(api, query, has, lacks):
    found = (await api.client().get("/catalog", options={"params": query}, cast_to=dict))["data"]
    names = [card["name"] for card in found]
    assert has in names
    assert lacks not in names


async def test_cards_are_paged(api):
    whole = [card["name"] for card in (await api.client().get("/catalog", cast_to=dict))["data"]]
    paged, more = [], True
    while more:
        params = {"limit": 50} | ({"after": paged[-1]} if paged else {})
        page = await api.client().get("/catalog", options={"params": params}, cast_to=dict)
        paged += [card["name"] for card in page["data"]]
        more = page["has_more"]
    assert paged == whole == sorted(whole)


@pytest.mark.parametrize("query", [{"modality": "smell"}, {"limit": 0}, {"parameters_max": "many"}])
async def test_a_filter_that_makes_no_sense_is_told(api, query):
    with pytest.raises(openai.BadRequestError, match=next(iter(query))):
        await api.client().get("/catalog", options={"params": query}, cast_to=dict)


async def test_versions_show_their_lineage_to_their_own_project_only(api):
    with api.database.write() as tx:
        stranger = create_project(tx, api.project_id, "rivals").id
        _, secret = create_key(tx, stranger, "key", ["inference"])
        register_adapter(tx, api.project_id, f"ft:{BASE}:argosy:a:1", BASE, "a" * 64, 9, LINEAGE)
    api.gateway.refresh()
    listed = await api.client().get(f"/catalog/{BASE}/versions", cast_to=dict)
    [version] = listed["data"]
    assert version["name"] == f"ft:{BASE}:argosy:a:1"
    assert version["lineage"] == {
        "base": BASE,
        "base_digest": "b" * 64,
        "dataset_digest": "d" * 64,
        "job": "ftjob-1",
        "code_version": "0.1.0",
        "hyperparameters": {"n_epochs": 3},
        "checkpoint_step": None,
    }
    assert (await api.client(secret).get(f"/catalog/{BASE}/versions", cast_to=dict))["data"] == []


async def test_a_file_is_imported_deployed_and_forgotten(api, tmp_path):
    path = write_model(tmp_path / "tiny.gguf")
    body = {"path": str(path), "name": "my-tiny", "licence": "MIT", "title": "My tiny"}
    reader = api.client(api.key("inference"))
    with pytest.raises(openai.PermissionDeniedError):
        await reader.post("/catalog", body=body, cast_to=dict)
    made = await api.client().post("/catalog", body=body, cast_to=dict)
    assert made["cost"]["weights_bytes"] == path.stat().st_size
    assert (await reader.get("/catalog/my-tiny", cast_to=dict))["title"] == "My tiny"
    assert (await api.client().post("/deployments", body={"model": "my-tiny"}, cast_to=dict))["engine"] == "llama_cpp"
    with pytest.raises(openai.ConflictError, match="Undeploy it first"):
        await api.client().delete("/catalog/my-tiny", cast_to=dict)
    await api.client().delete("/deployments/my-tiny", cast_to=dict)
    await api.client().delete("/catalog/my-tiny", cast_to=dict)
    with pytest.raises(openai.NotFoundError):
        await reader.get("/catalog/my-tiny", cast_to=dict)
