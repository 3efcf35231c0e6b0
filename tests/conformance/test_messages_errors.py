"""Errors in Anthropic's shape, each as the class that its SDK has for it."""

import anthropic
import pytest
from tests.conformance.asking import HELLO
from tests.conformance.upstream import Fails, Says
from tests.flows.platform import KEY, STARTER

ASK = {"model": STARTER, "messages": HELLO, "max_tokens": 9}


def told(error):
    body = error.body
    assert (body["type"], body["request_id"]) == ("error", error.response.headers["request-id"])
    return error.status_code, body["error"]["type"], body["error"]["details"]["error_code"]


def test_keys(claude, new_key):
    with pytest.raises(anthropic.AuthenticationError) as wrong:
        claude.with_options(api_key="sk-argosy-wrong").messages.create(**ASK)
    assert told(wrong.value) == (401, "authentication_error", "invalid_api_key")
    secret, _ = new_key("billing")
    with pytest.raises(anthropic.PermissionDeniedError) as narrow:
        claude.with_options(api_key=secret).messages.create(**ASK)
    assert told(narrow.value) == (403, "permission_error", "missing_scope")


def test_an_unknown_model_is_not_found(claude):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        claude.messages.create(**{**ASK, "model": "claude-none"})
    assert told(unknown.value) == (404, "not_found_error", "model_not_found")


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "pirate", "content": "Ahoy"}]}, "invalid_value", "messages[0].role"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"temperature": 2}, "invalid_value", "temperature"),
        ({"stop_sequences": [""]}, "invalid_value", "stop_sequences[0]"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "unsupported_parameter", "thinking"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "context_length_exceeded", "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
            "unsupported_content",
            "messages.0.content.0.type",
        ),
    ],
)
def test_a_bad_member_is_a_bad_request_that_names_it(claude, wrong, code, param):
    body = {**ASK, **wrong}
    temperature = {"extra_body": {"temperature": body.pop("temperature")}} if "temperature" in body else {}
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(**body, **temperature)
    assert told(refused.value) == (400, "invalid_request_error", code)
    assert refused.value.body["error"]["details"]["param"] == param


@pytest.mark.parametrize(
    ("step", "error", "status", "kind", "code"),
    [
        (Fails(429, retry_after=7), anthropic.RateLimitError, 429, "rate_limit_error", "provider_rate_limited"),
        (Fails(503, retry_after=7), anthropic.InternalServerError, 529, "overloaded_error", "provider_unavailable"),
        (Fails(500), anthropic.InternalServerError, 502, "api_error", "provider_failed"),
        (Fails(400, "bad"), anthropic.BadRequestError, 400, "invalid_request_error", "invalid_value"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_providers_failure_has_a_class(claude, scripted, step, error, status, kind, code, streamed):
    scripted.script.will(step)
    with pytest.raises(error) as failed:
        claude.messages.create(**{**ASK, "model": scripted.model}, stream=streamed)
    assert told(failed.value) == (status, kind, code)
    assert failed.value.response.headers.get("retry-after") == ("7" if step.retry_after else None)


def test_a_stream_that_breaks_ends_with_an_error_event(claude, scripted):
    scripted.script.will(Says(words=("Once", " upon"), then="cut"))
    stream, events = claude.messages.create(**{**ASK, "model": scripted.model}, stream=True), []
    with pytest.raises(anthropic.APIStatusError) as broken:
        events.extend(stream)
    assert broken.value.body["error"]["details"]["error_code"] == "upstream_cut"
    assert "".join(event.delta.text for event in events if event.type == "content_block_delta") == "Once upon"
    assert "message_stop" not in {event.type for event in events}


def test_nobody_at_the_address_is_a_connection_error():
    nowhere = anthropic.Anthropic(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(anthropic.APIConnectionError):
        nowhere.messages.create(**ASK)
