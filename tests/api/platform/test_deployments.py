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
        ({"model": BASE, "quantisation": "Q2_K"}, "unknown_quantisation"),
        ({"model": "multilingual-e5-small", "quantisation": "Q8_0"}, "unknown_quantisation"),
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


async def test_a_change_is_a_version_and_an_earlier_one_can_be_had_back(api):
    admin = api.client()
    first = await admin.post("/deployments", body={"model": BASE, "replicas": 2}, cast_to=dict)
    assert (first["version"], first["quantisation"], first["replicas_wanted"]) == (1, None, 2)
    second = await admin.post("/deployments", body={"model": BASE, "quantisation": "q8_0"}, cast_to=dict)
    assert (second["version"], second["quantisation"], second["replicas_wanted"]) == (2, "Q8_0", 2)
    back = await admin.post(f"/deployments/{BASE}/rollback", body={}, cast_to=dict)
    assert (back["version"], back["quantisation"]) == (1, None)
    again = await admin.post(f"/deployments/{BASE}/rollback", body={"version": 2}, cast_to=dict)
    assert again["version"] == 2
    listed = await api.client(api.key("inference")).get(f"/deployments/{BASE}/versions", cast_to=dict)
    assert [(one["version"], one["wanted"], one["quantisation"]) for one in listed["data"]] == [
        (1, False, None),
        (2, True, "Q8_0"),
    ]
    with pytest.raises(openai.NotFoundError, match="no version 9"):
        await admin.post(f"/deployments/{BASE}/rollback", body={"version": 9}, cast_to=dict)
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("inference")).post(f"/deployments/{BASE}/rollback", body={}, cast_to=dict)


async def test_the_end_of_the_engines_log_is_shown_to_administrators(api, tmp_path):
    admin = api.client()
    await admin.post("/deployments", body={"model": "echo"}, cast_to=dict)
    assert (await admin.get("/deployments/echo/logs", cast_to=dict))["lines"] == []
    log = tmp_path / "logs" / "engine-echo.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(f"line {number}\n" for number in range(5000)))
    found = await admin.get("/deployments/echo/logs?lines=3", cast_to=dict)
    assert found["lines"] == ["line 4997", "line 4998", "line 4999"]
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("inference")).get("/deployments/echo/logs", cast_to=dict)


async def test_a_name_has_one_meaning(api):
    admin = api.client()
    await admin.post("/deployments", body={"model": "echo"}, cast_to=dict)
    await admin.put("/aliases/parrot", body={"target": "echo"}, cast_to=dict)
    with pytest.raises(openai.ConflictError, match="alias of this project"):
        await admin.post("/deployments", body={"model": "parrot", "engine": "echo"}, cast_to=dict)
