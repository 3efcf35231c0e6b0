"""What becomes of an engine's stream, whatever the pieces it comes in."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core import UpstreamFailed
from argosy.gateway.events import EventStream, Shape, first_words
from argosy.gateway.metering import Part, Usage


def event(**members):
    return b"data: " + json.dumps({"choices": [], "id": "e-1", "model": "/secret", **members}).encode() + b"\n\n"


def delta(**content):
    return event(choices=[{"index": 0, "delta": content, "finish_reason": None}])


TRICKY = 'he said "usage": {} and "model": "/secret" and {"error": 1} and data: [DONE]'
STREAM = (
    event(
        choices=[{"index": 0, "delta": {"role": "assistant", "content": None}}],
        prompt_progress={"total": 9, "cache": 4},
    )
    + b": ping\n\n"
    + delta(content=TRICKY)
    + delta(content="两个字")
    + event(usage={"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}})
    + b"data: [DONE]\n\n"
)


def run(pieces, **shape):
    part = Part()
    events = EventStream(part, Shape("req_1", "asked", **shape))
    out, tokens = b"", 0
    for piece in pieces:
        out += events.feed(piece)
        tokens += events.tokens
    return out, tokens, part, events


@settings(max_examples=200)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_cutting_into_pieces_gives_the_same_bytes(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    out, tokens, part, events = run([STREAM[a:b] for a, b in itertools.pairwise(edges)])
    assert out == run([STREAM])[0]
    assert (tokens, part.usage, part.prompt, part.cached) == (2, Usage(9, 4, 2), 9, 4)
    assert events.done


def test_content_that_looks_like_protocol_is_left_alone():
    out = run([STREAM])[0]
    payloads = [json.loads(line[6:]) for line in out.decode().split("\n\n") if line.startswith("data: {")]
    assert [p["choices"][0]["delta"]["content"] for p in payloads] == [TRICKY, "两个字"]
    assert all(p["model"] == "asked" and p["id"] == "req_1" and "usage" not in p for p in payloads)


def test_usage_goes_out_if_asked_for():
    assert b'"usage":{"prompt_tokens":9' in run([STREAM], include_usage=True)[0]


@pytest.mark.parametrize(
    "bad", [b"data: {nope\n\n", b"data: []\n\n", b'data: {"id":5}\n\n', event(usage={"prompt": 1})]
)
def test_a_malformed_event_is_an_error_and_not_a_crash(bad):
    with pytest.raises(UpstreamFailed):
        run([bad])


@pytest.mark.parametrize("bad", [event(error={"message": "boom /x"}), b'error: {"error":{"message":"boom"}}\n\n'])
def test_an_error_event_is_told_without_the_engines_words(bad):
    with pytest.raises(UpstreamFailed) as error:
        run([delta(content="x"), bad])
    assert "boom" not in error.value.message


def tight(**content):
    choices = [{"index": 0, "delta": content, "finish_reason": None}]
    return b"data: " + json.dumps({"choices": choices}, separators=(",", ":")).encode() + b"\n\n"


@pytest.mark.parametrize("told", [delta, tight])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"role": "assistant", "content": None}, 0),
        ({"role": "assistant", "content": ""}, 0),
        ({"role": "assistant", "content": "", "refusal": None}, 0),
        ({"content": "Hello"}, 1),
        ({"role": "assistant", "content": None, "reasoning_content": "Hm"}, 1),
        ({"role": "assistant", "content": None, "tool_calls": [{"index": 0}]}, 1),
    ],
)
def test_an_opening_says_nothing_however_it_is_spelled(told, content, words):
    events = EventStream(Part(), Shape("req_1", "asked"))
    out = events.feed(told(**content))
    assert first_words(out, events.tokens) == words
    assert first_words(out + told(content='quoted ""'), words + 1) == words + 1


@pytest.mark.parametrize("bad", [b'data: {"choices":[5],"x":""}\n\n', b'data: {"":\n\n'])
def test_an_opening_that_is_malformed_is_told_as_such(bad):
    with pytest.raises(UpstreamFailed):
        first_words(bad, 1)
