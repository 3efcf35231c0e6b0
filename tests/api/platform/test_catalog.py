"""The catalog over HTTP: cards for everyone, versions for their own project."""

import openai
import pytest

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
