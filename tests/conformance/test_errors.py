"""Every class of error that the SDK knows, with the type, code and param that a program can go by."""

import httpx
import openai
import pytest
from tests.conformance.asking import CHAT, HELLO, WEATHER, words_of
from tests.conformance.conftest import EMBEDDER
from tests.conformance.upstream import Fails, Says
from tests.flows.platform import STARTER, until


def told(error):
    return error.status_code, error.type, error.code, error.param


def with_key(client, secret):
    return client.with_options(api_key=secret).chat.completions


def test_a_wrong_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError) as wrong:
        with_key(client, "sk-argosy-wrong").create(**CHAT)
    assert told(wrong.value) == (401, "authentication_error", "invalid_api_key", None)
    assert wrong.value.request_id.startswith("req_")
    assert "sk-argosy-wrong" not in str(wrong.value)


def test_a_key_without_the_scope_is_a_permission_error(client, new_key):
    secret, _ = new_key("billing")
    with pytest.raises(openai.PermissionDeniedError) as narrow:
        with_key(client, secret).create(**CHAT)
    assert told(narrow.value) == (403, "permission_error", "missing_scope", None)


def test_an_unknown_model_is_not_found_and_names_its_neighbours(client):
    with pytest.raises(openai.NotFoundError, match=f"'{STARTER}'") as unknown:
        client.chat.completions.create(**{**CHAT, "model": "smollm2-135m-instuct"})
    assert told(unknown.value) == (404, "invalid_request_error", "model_not_found", "model")


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "pirate", "content": "Ahoy"}]}, "invalid_value", "messages[0].role"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"temperature": "hot"}, "invalid_value", "temperature"),
        ({"top_p": -1}, "invalid_value", "top_p"),
        ({"n": 0}, "invalid_value", "n"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"stop": 5}, "invalid_value", "stop"),
        ({"seed": "x"}, "invalid_value", "seed"),
        ({"stream_options": {"include_usage": "yes"}}, "invalid_value", "stream_options.include_usage"),
        ({"model": ""}, "invalid_value", "model"),
        ({"model": EMBEDDER}, "wrong_kind_of_model", "model"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "context_length_exceeded", "messages"),
    ],
)
def test_a_bad_member_is_a_bad_request_that_names_it(client, wrong, code, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{**CHAT, **wrong})
    assert told(refused.value) == (400, "invalid_request_error", code, param)


def test_a_prompt_that_is_too_long_is_refused_with_both_counts(client):
    with pytest.raises(openai.BadRequestError, match=r"4096 tokens.* 9\d{3} tokens"):
        client.chat.completions.create(**{**CHAT, "messages": [{"role": "user", "content": "word " * 9000}]})


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_member_is_named(client, missing):
    body = {name: value for name, value in CHAT.items() if name != missing}
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body=body, cast_to=object)
    assert told(refused.value) == (400, "invalid_request_error", "missing_required_parameter", missing)


def test_a_path_and_a_method_that_do_not_exist(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(prompt="a ship")
    assert missing.value.code == "route_not_found"
    with pytest.raises(openai.APIStatusError) as method:
        client.get("/chat/completions", cast_to=object)
    assert (method.value.status_code, method.value.code) == (405, "method_not_allowed")


def test_over_the_limit_is_a_rate_limit_error_that_says_when(client, new_key):
    secret, key_id = new_key("inference")
    client.put("/limits", body={"key": key_id, "requests_per_minute": 2}, cast_to=object)
    limited = with_key(client, secret)

    def refused():
        try:
            limited.create(**{**CHAT, "max_tokens": 1})
        except openai.RateLimitError as error:
            return error

    error = until(refused, 30, "the limit was never met")
    assert told(error) == (429, "rate_limit_error", "rate_limit_exceeded", None)
    assert 1 <= int(error.response.headers["retry-after"]) <= 62
    assert error.response.headers["x-ratelimit-limit-requests"] == "2"
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("step", "error", "status", "kind", "code"),
    [
        (Fails(429, retry_after=7), openai.RateLimitError, 429, "rate_limit_error", "provider_rate_limited"),
        (Fails(503, retry_after=7), openai.InternalServerError, 503, "service_unavailable", "provider_unavailable"),
        (Fails(500), openai.InternalServerError, 502, "upstream_error", "provider_failed"),
        (Fails(401), openai.InternalServerError, 502, "upstream_error", "provider_refused"),
        (Fails(404), openai.InternalServerError, 502, "upstream_error", "provider_model_missing"),
        (Fails(400, "bad 'tools'"), openai.BadRequestError, 400, "invalid_request_error", "invalid_value"),
        (Fails(422, "bad 'tools'"), openai.BadRequestError, 400, "invalid_request_error", "invalid_value"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_providers_failure_has_a_class_and_says_nothing_of_its_account(
    client, scripted, step, error, status, kind, code, streamed
):
    scripted.script.will(step)
    with pytest.raises(error) as failed:
        client.chat.completions.create(model=scripted.model, messages=HELLO, stream=streamed)
    assert told(failed.value) == (status, kind, code, None)
    assert "4711" not in str(failed.value)
    if step.retry_after:
        assert failed.value.response.headers["retry-after"] == "7"
    if status == 400:
        assert "bad 'tools'" in failed.value.message


def test_a_stream_that_breaks_ends_with_an_error_in_band(client, scripted):
    scripted.script.will(Says(words=("Once", " upon"), then="cut"))
    stream = client.chat.completions.create(model=scripted.model, messages=HELLO, stream=True)
    chunks = []
    with pytest.raises(openai.APIError) as broken:
        chunks.extend(stream)
    assert words_of(chunks) == "Once upon"
    assert not isinstance(broken.value, openai.APIStatusError | openai.APIConnectionError)
    assert (broken.value.type, broken.value.code, broken.value.param) == ("upstream_error", "upstream_cut", None)


def test_nobody_at_the_address_is_a_connection_error(client):
    nowhere = client.with_options(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(openai.APIConnectionError) as gone:
        nowhere.chat.completions.create(**CHAT)
    assert not isinstance(gone.value, openai.APITimeoutError)


def test_every_error_has_the_same_four_members(platform):
    for path, body in (("chat/completions", "{"), ("responses", "[]"), ("embeddings", ""), ("nowhere", "{}")):
        headers = {"authorization": f"Bearer {platform.client.api_key}"}
        answer = httpx.post(f"{platform.url}/v1/{path}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_tool_without_a_name_is_refused_where_it_stands(client):
    nameless = {**WEATHER, "function": {"parameters": {}}}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**CHAT, tools=[WEATHER, nameless])
    assert refused.value.param == "tools[1].function.name"
