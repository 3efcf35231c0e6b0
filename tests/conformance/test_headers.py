"""What comes beside the answer: who gave it, how often it was tried, what is left of the limits, under which id."""

import httpx
import pytest
from tests.conformance.asking import CHAT, HELLO, words_of
from tests.conformance.upstream import Fails, Says
from tests.flows.platform import STARTER, until

LIMITS = [f"x-ratelimit-{what}-{unit}" for unit in ("requests", "tokens") for what in ("limit", "remaining", "reset")]


def test_a_raw_response_has_the_headers_and_the_answer(client):
    raw = client.chat.completions.with_raw_response.create(**CHAT)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert (raw.status_code, raw.retries_taken) == (200, 0)
    assert raw.request_id == raw.headers["x-request-id"] == answer.id == answer._request_id
    assert raw.headers["content-type"] == "application/json"
    assert (raw.headers["x-argosy-target"], raw.headers["x-argosy-attempts"]) == (STARTER, "1")


def test_a_streaming_response_has_its_headers_before_its_words(client):
    with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert (response.headers["x-argosy-target"], response.headers["x-argosy-attempts"]) == (STARTER, "1")
        lines = [line for line in response.iter_lines() if line]
    assert f'"id":"{response.request_id}"' in lines[0]
    assert lines[-1] == "data: [DONE]"


async def test_the_same_asynchronously(aclient):
    raw = await aclient.chat.completions.with_raw_response.create(**CHAT)
    assert raw.request_id == raw.parse().id
    async with aclient.chat.completions.with_streaming_response.create(**CHAT) as response:
        assert (await response.parse()).id == response.headers["x-request-id"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_second_attempt_at_another_target_is_told(client, scripted, streamed):
    name = f"route-of-{scripted.model}"
    targets = [{"model": scripted.model}, {"model": STARTER, "priority": 1}]
    client.put(f"/routes/{name}", body={"targets": targets}, cast_to=object)
    scripted.script.will(Fails(500))
    raw = client.chat.completions.with_raw_response.create(**{**CHAT, "model": name}, stream=streamed)
    assert (raw.headers["x-argosy-target"], raw.headers["x-argosy-attempts"]) == (STARTER, "2")
    raw.http_response.close()


def test_an_opening_without_a_word_commits_to_nobody(client, scripted):
    name = f"route-of-{scripted.model}"
    targets = [{"model": scripted.model}, {"model": STARTER, "priority": 1}]
    client.put(f"/routes/{name}", body={"targets": targets}, cast_to=object)
    scripted.script.will(Says(then="cut"))
    raw = client.chat.completions.with_raw_response.create(**{**CHAT, "model": name}, stream=True)
    assert (raw.headers["x-argosy-target"], raw.headers["x-argosy-attempts"]) == (STARTER, "2")
    assert words_of(list(raw.parse())) == client.chat.completions.create(**CHAT).choices[0].message.content


def test_limits_are_told_in_openais_headers_where_there_are_any(client, new_key):
    assert not set(LIMITS) & set(client.chat.completions.with_raw_response.create(**CHAT).headers)
    secret, key_id = new_key("inference")
    limit = {"key": key_id, "requests_per_minute": 100, "tokens_per_minute": 100_000}
    client.put("/limits", body=limit, cast_to=object)
    limited = client.with_options(api_key=secret)

    def headers():
        found = limited.chat.completions.with_raw_response.create(**CHAT).headers
        return found if LIMITS[0] in found else None

    until(headers, 20, "the limit does not hold")
    found = headers()
    assert [found[name] for name in (LIMITS[0], LIMITS[3])] == ["100", "100000"]
    assert int(found["x-ratelimit-remaining-requests"]) < 100
    assert int(found["x-ratelimit-remaining-tokens"]) < 100_000
    assert found["x-ratelimit-reset-requests"].endswith("s")
    streamed = limited.chat.completions.with_raw_response.create(**CHAT, stream=True)
    assert set(LIMITS) <= set(streamed.headers)
    streamed.http_response.close()


def test_errors_have_an_id_too(platform):
    for path in ("chat/completions", "responses", "messages", "models", "files", "nowhere"):
        answer = httpx.post(f"{platform.url}/v1/{path}", json={})
        assert answer.status_code >= 400
        assert answer.headers["x-request-id"].startswith("req_"), path


def test_what_clients_of_openai_send_besides_is_accepted(client, scripted):
    scripted.script.will(Says(words=("Hello",)))
    known = client.with_options(
        organization="org-1", project="proj_1", default_headers={"x-stainless-helper": "x"}, default_query={"v": "1"}
    )
    assert known.chat.completions.create(model=scripted.model, messages=HELLO).choices[0].message.content == "Hello"
