"""Licences over HTTP: everyone may read them, administrators accept them, and deploying waits for that."""

import openai
import pytest


async def test_a_licence_is_read_and_accepted_by_an_administrator(api):
    reader = api.client(api.key("inference"))
    terms = await reader.get("/licences/gemma", cast_to=dict)
    assert (terms["object"], terms["acceptance"], terms["accepted"]) == ("licence", True, None)
    with pytest.raises(openai.PermissionDeniedError):
        await reader.post("/licences/gemma/accept", cast_to=dict)
    given = (await api.client().post("/licences/gemma/accept", cast_to=dict))["accepted"]
    assert given["accepted_at"] > 0
    listed = (await reader.get("/licences", cast_to=dict))["data"]
    assert [one["id"] for one in listed if one["accepted"]] == ["gemma"]
    stranger = (await api.client(api.other).get("/licences/gemma", cast_to=dict))["accepted"]
    assert stranger is None


async def test_a_model_is_let_through_only_after_its_licence_was_accepted(api):
    body = {"model": "gemma-3-1b-it"}
    with pytest.raises(openai.PermissionDeniedError, match="argosy licences accept gemma") as refused:
        await api.client().post("/deployments", body=body, cast_to=dict)
    assert refused.value.code == "licence_not_accepted"
    await api.client().post("/licences/gemma/accept", cast_to=dict)
    with pytest.raises(openai.BadRequestError) as unpinned:  # the next hurdle
        await api.client().post("/deployments", body=body, cast_to=dict)
    assert unpinned.value.code == "weights_not_pinned"


async def test_an_unknown_licence_is_not_found(api):
    with pytest.raises(openai.NotFoundError, match="There is no licence"):
        await api.client().post("/licences/zzz/accept", cast_to=dict)
