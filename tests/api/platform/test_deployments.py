"""Administrators deploy models over HTTP; everyone may look."""

import openai
import pytest

BASE = "smollm2-135m-instruct"


async def test_a_deployment_is_asked_for_looked_at_and_stopped(api):
    admin = api.client()
    made = await admin.post("/deployments", body={"model": BASE}, cast_to=dict)
    assert (made["object"], made["model"], made["engine"], made["state"]) == (
        "deployment",
        BASE,
        "llama_cpp",
        "pulling",
    )
    again = await admin.post("/deployments", body={"model": BASE}, cast_to=dict)
    assert again["id"] == made["id"]
    reader = api.client(api.key("inference"))
    assert await reader.get(f"/deployments/{BASE}", cast_to=dict) == made
    assert made in (await reader.get("/deployments", cast_to=dict))["data"]
    assert (await admin.delete(f"/deployments/{made['id']}", cast_to=dict))["state"] == "draining"


async def test_the_echo_engine_needs_no_card(api):
    made = await api.client().post("/deployments", body={"model": "echo"}, cast_to=dict)
    assert made["engine"] == "echo"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"model": "smollm2"}, "model_not_found"),
        ({"model": BASE, "engine": "steam"}, "unknown_engine"),
        ({"model": "../etc", "engine": "echo"}, "invalid_model_name"),
        ({"model": "gpt-6-luna"}, "provider_not_found"),
        ({"model": "gpt-6-luna", "engine": "llama_cpp"}, "model_hosted"),
        ({"model": "grok-1"}, "model_too_large"),
    ],
)
async def test_mistakes_are_told_before_anything_starts(api, body, code):
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as refused:
        await api.client().post("/deployments", body=body, cast_to=dict)
    assert refused.value.code == code


async def test_only_administrators_deploy(api):
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("inference")).post("/deployments", body={"model": BASE}, cast_to=dict)
    with pytest.raises(openai.NotFoundError, match="argosy deploy"):
        await api.client().get("/deployments/dep_nothing", cast_to=dict)
