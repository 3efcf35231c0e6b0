"""A project's tokens for hubs: stored sealed, told to nobody, used for that project only."""

import openai
import pytest
from tests.published import Hub, write_published

from argosy.catalog import hub_environment
from argosy.runtime import open_vault


async def test_a_token_is_stored_sealed_and_only_its_end_is_shown(api, tmp_path):
    admin = api.client()
    made = await admin.put("/hub-tokens/hf", body={"token": "hf_verysecrettoken"}, cast_to=dict)
    assert (made["id"], made["hint"]) == ("hf", "…oken")
    listed = await admin.get("/hub-tokens", cast_to=dict)
    assert listed["data"] == [made]
    vault = open_vault(tmp_path, {})
    with api.database.read() as tx:
        assert hub_environment(tx, api.project_id, vault, {})["HF_TOKEN"] == "hf_verysecrettoken"
        assert hub_environment(tx, "proj_other", vault, {"HF_TOKEN": "the operator's"}) == {}
    await admin.put("/hub-tokens/hf", body={"token": "hf_another"}, cast_to=dict)
    assert len((await admin.get("/hub-tokens", cast_to=dict))["data"]) == 1
    await admin.delete("/hub-tokens/hf", cast_to=object)
    with pytest.raises(openai.NotFoundError):
        await admin.delete("/hub-tokens/hf", cast_to=object)


async def test_strange_tokens_unknown_hubs_and_other_callers_are_refused(api):
    admin = api.client()
    for token in ("", " ", "a\nb", "x" * 500):
        with pytest.raises(openai.BadRequestError):
            await admin.put("/hub-tokens/hf", body={"token": token}, cast_to=dict)
    with pytest.raises(openai.NotFoundError):
        await admin.put("/hub-tokens/elsewhere", body={"token": "hf_x"}, cast_to=dict)
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("inference")).get("/hub-tokens", cast_to=dict)


async def test_a_gated_repository_is_imported_with_the_projects_token(api, tmp_path, monkeypatch):
    write_published(tmp_path / "published")
    hub = Hub({"acme/published": tmp_path / "published"}, token="hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")  # the operator's own is not lent to projects
    admin = api.client()
    with pytest.raises(openai.PermissionDeniedError, match="hub-token set"):
        await admin.post("/catalog", body={"path": "hf:acme/published"}, cast_to=dict)
    await admin.put("/hub-tokens/hf", body={"token": "hf_secret"}, cast_to=dict)
    made = await admin.post("/catalog", body={"path": "hf:acme/published"}, cast_to=dict)
    assert (made["name"], made["licence"], made["parts"]["form"]) == ("published", "Apache-2.0", "BF16")
    assert made["cost"]["weights_bytes"] == 2 * made["parameters"]
    fit = await admin.get("/catalog/published/fit", cast_to=dict)
    assert fit["estimate"]["fits"] is True
    assert fit["measured"] is None
    await admin.delete("/catalog/published", cast_to=object)
    hub.close()
