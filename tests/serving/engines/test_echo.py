"""The echo engine: OpenAI's shapes, the same every time, and trouble when asked for."""

import base64
import http.client
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    folder = tmp_path_factory.mktemp("echo")
    spec = EngineSpec("echo", "", adapter_names=("ft:a", "ft:b"), adapter_paths=("", ""), context_length=20)
    replica = Replica("echo", spec, folder, folder / "log")
    while not replica.announced():
        assert not replica.dead, replica.failure
        time.sleep(0.005)
    yield replica
    replica.stop()


def post(echo: Replica, content: object, path: str = "/v1/chat/completions", **more: object) -> bytes:
    asked = {"prompt": content} if path == "/v1/completions" else {"messages": [{"role": "user", "content": content}]}
    return echo.ask(path, {**asked, **more})


def events(body: bytes) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_chat_is_answered_with_its_own_words(echo: Replica) -> None:
    answer = json.loads(post(echo, "heave ho away"))
    assert answer["choices"][0]["message"]["content"] == "heave ho away"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == 3


def test_a_text_completion_too(echo: Replica) -> None:
    assert json.loads(post(echo, "heave ho", "/v1/completions"))["choices"][0]["text"] == "heave ho"


def test_content_may_come_in_parts(echo: Replica) -> None:
    assert b"heave ho" in post(echo, [{"type": "text", "text": "heave"}, {"type": "text", "text": "ho"}])


def test_the_limit_on_tokens_is_kept(echo: Replica) -> None:
    answer = json.loads(post(echo, "one two three", max_tokens=2))
    assert answer["choices"][0]["message"]["content"] == "one two"
    assert answer["choices"][0]["finish_reason"] == "length"


def test_an_adapter_signs_its_answers(echo: Replica) -> None:
    lora = [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 1.0}]
    assert json.loads(post(echo, "hi", lora=lora))["choices"][0]["message"]["content"] == "[ft:b] hi"


def test_a_stream_carries_the_same_words_and_usage_when_asked(echo: Replica) -> None:
    got = events(post(echo, "one two", stream=True, stream_options={"include_usage": True}))
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in got[:-1]) == "one two"
    assert got[-1]["choices"] == []
    assert got[-1]["usage"]["total_tokens"] == 4
    assert all("usage" not in event for event in events(post(echo, "one two", stream=True)))


def test_too_long_a_prompt_is_refused_with_both_counts(echo: Replica) -> None:
    with pytest.raises(OSError, match='"n_prompt_tokens":21,"n_ctx":20'):
        post(echo, "word " * 21)


def test_faults_on_request(echo: Replica) -> None:
    with pytest.raises(OSError, match="with 503"):
        post(echo, "fault: status 503")
    connection = http.client.HTTPConnection(echo.url.removeprefix("http://"), timeout=5)
    body = {"messages": [{"role": "user", "content": "fault: cut after 2"}], "stream": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    with pytest.raises(http.client.IncompleteRead) as cut:
        connection.getresponse().read()
    assert cut.value.partial.count(b"data:") == 2
    began = time.monotonic()
    post(echo, "delay 50ms a b")
    assert time.monotonic() - began > 0.2


def test_nonsense_is_refused_and_the_engine_lives_on(echo: Replica) -> None:
    connection = http.client.HTTPConnection(echo.url.removeprefix("http://"), timeout=5)
    connection.request("POST", "/v1/chat/completions", b"{")
    assert connection.getresponse().status == 400
    assert echo.in_flight() == 0
    assert Path(echo.child.log).exists()


def test_texts_are_embedded_alike_each_time_as_numbers_or_packed(echo: Replica) -> None:
    answer = json.loads(echo.ask("/v1/embeddings", {"input": ["heave ho", "away", "heave ho"]}))
    first, second, third = (one["embedding"] for one in answer["data"])
    assert first == third != second
    assert answer["usage"]["prompt_tokens"] == 5
    packed = json.loads(echo.ask("/v1/embeddings", {"input": "heave ho", "encoding_format": "base64"}))
    assert struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"])) == pytest.approx(first)


def test_documents_are_ranked_by_the_querys_words(echo: Replica) -> None:
    asked = {"query": "heave ho", "documents": ["away", "heave ho", "heave away"], "top_n": 2}
    answer = json.loads(echo.ask("/v1/rerank", asked))
    assert [(one["index"], one["relevance_score"]) for one in answer["results"]] == [(1, 1.0), (2, 0.5)]
