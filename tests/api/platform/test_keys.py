"""Administrators make keys and projects over HTTP."""

import openai
import pytest


@pytest.fixture
def admin(api):
    """The administrator's client, for routes that OpenAI's SDK has no name for."""
    return api.client()


async def make(client, **body):
    return await client.post("/keys", body=body, cast_to=dict)


async def test_a_new_key_works_at_once_and_not_after_it_was_revoked(api, admin):
    made = await make(admin, name="app", scopes=["tuning"])
    assert made["value"].startswith("sk-argosy-")
    client = api.client(made["value"])
    assert (await client.files.list()).data == []

    assert (await admin.delete(f"/keys/{made['id']}", cast_to=dict))["deleted"]
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        await client.files.list()


async def test_a_list_of_keys_shows_no_secret(admin):
    made = await make(admin, name="app", scopes=["inference", "inference"])
    listed = await admin.get("/keys", cast_to=dict)
    shown = next(key for key in listed["data"] if key["id"] == made["id"])
    assert shown == {
        "id": made["id"],
        "object": "api_key",
        "name": "app",
        "hint": f"{made['value'][:7]}…{made['value'][-4:]}",
        "scopes": ["inference"],
        "project_id": made["project_id"],
        "created_at": made["created_at"],
    }


async def test_a_key_of_another_project_sees_that_projects_things(api, admin):
    await api.client().files.create(file=("a.txt", b"mine"), purpose="user_data")
    project = await admin.post("/projects", body={"name": "shop"}, cast_to=dict)
    made = await make(admin, name="app", scopes=["tuning"], project="shop")
    assert made["project_id"] == project["id"]
    assert (await api.client(made["value"]).files.list()).data == []
    projects = await admin.get("/projects", cast_to=dict)
    assert "shop" in [project["name"] for project in projects["data"]]
    listed = await admin.get("/keys", options={"params": {"project": "shop"}}, cast_to=dict)
    assert [key["id"] for key in listed["data"]] == [made["id"]]
    await admin.delete(f"/keys/{made['id']}", options={"params": {"project": project["id"]}}, cast_to=dict)


async def test_only_administrators_make_keys(api):
    client = api.client(api.key("inference", "tuning", "billing"))
    with pytest.raises(openai.PermissionDeniedError):
        await make(client, name="more", scopes=["admin"])
    with pytest.raises(openai.PermissionDeniedError):
        await client.post("/projects", body={"name": "mine"}, cast_to=dict)


async def test_what_is_wrong_with_a_request_is_said(admin):
    with pytest.raises(openai.BadRequestError, match="inference, tuning, billing, admin"):
        await make(admin, name="app", scopes=["everything"])
    with pytest.raises(openai.BadRequestError):
        await make(admin, name="app", scopes=["inference"], budget=5)
    with pytest.raises(openai.NotFoundError, match="no project 'nowhere'"):
        await make(admin, name="app", scopes=["inference"], project="nowhere")
    with pytest.raises(openai.NotFoundError):
        await admin.delete("/keys/key_none", cast_to=dict)
    with pytest.raises(openai.ConflictError, match="already a project"):
        await admin.post("/projects", body={"name": "default"}, cast_to=dict)
    listed = await admin.get("/keys", cast_to=dict)
    administrator = next(key["id"] for key in listed["data"] if "admin" in key["scopes"])
    with pytest.raises(openai.ConflictError, match="last administrator key"):
        await admin.delete(f"/keys/{administrator}", cast_to=dict)
