"""The control plane's skeleton: health, metrics, unknown routes, models, and a complete OpenAPI document."""

import httpx
import openai
import pytest


@pytest.fixture
async def http(api):
    async with httpx.AsyncClient(base_url=api.url, headers={"authorization": f"Bearer {api.secret}"}) as client:
        yield client


async def test_unknown_routes_and_wrong_methods_have_openais_body(http):
    unknown = await http.get("/v1/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "route_not_found")
    assert "/openapi.json" in unknown.json()["error"]["message"]
    wrong = await http.get("/v1/chat/completions")
    assert wrong.status_code == 405
    assert (await http.delete("/v1/models")).status_code == 405
    assert wrong.headers["x-request-id"].startswith("req_")


async def test_health_and_metrics_need_no_key(api):
    await api.ask()
    async with httpx.AsyncClient(base_url=api.url) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 200
        text = (await client.get("/metrics")).text
    assert 'argosy_requests_total{method="POST",path="/v1/chat/completions",status="200"} 1.0' in text
    assert 'argosy_tokens_total{kind="completion"} 4.0' in text
    assert 'argosy_outcomes_total{outcome="complete"} 1.0' in text


async def test_models_are_the_projects_own_and_everybodys(api):
    mine = [model.id async for model in api.client().models.list()]
    theirs = [model.id async for model in api.client(api.other).models.list()]
    assert mine == ["ft:tiny:argosy:mine:1", "tiny"]
    assert theirs == ["ft:tiny:argosy:theirs:2", "tiny"]
    assert (await api.client().models.retrieve("tiny")).owned_by == "argosy"
    with pytest.raises(openai.NotFoundError) as error:
        await api.client().models.retrieve("ft:tiny:argosy:theirs:2")
    assert error.value.code == "model_not_found"


async def test_the_openapi_document_has_the_data_plane_too(http):
    document = (await http.get("/openapi.json")).json()
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models", "/healthz"} <= set(document["paths"])
    stored = {f"/v1/responses/{{response_id}}{more}" for more in ("", "/input_items")}
    assert {"/v1/responses", "/v1/messages", *stored} <= set(document["paths"])
    overloaded = document["paths"]["/v1/messages"]["post"]["responses"]["529"]["content"]["application/json"]["schema"]
    assert overloaded == {"$ref": "#/components/schemas/MessagesError"}
    operation = document["paths"]["/v1/chat/completions"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["required"] == ["model", "messages"]
