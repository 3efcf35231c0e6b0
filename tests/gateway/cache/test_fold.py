"""A stream put together, and a whole answer told as one: they say the same."""

import msgspec
import pytest

from argosy.gateway.cache.fold import NotPlain, folded
from argosy.gateway.cache.replay import replayed
from argosy.gateway.events import DONE, write_event
from argosy.gateway.metering import Usage
from argosy.gateway.requests import Kind

USAGE = Usage(10, 4, 3)
HEAD = {"id": "req_1", "created": 1, "model": "m", "object": "x", "system_fingerprint": "f"}


def event(*choices, **members):
    return write_event({**HEAD, "choices": list(choices), **members})


def chat(index=0, finish=None, logprobs=None, **delta):
    return {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}


def logprob(token):
    return {"content": [{"token": token, "logprob": -1.0, "top_logprobs": []}]}


CHAT = (
    event(chat(role="assistant", content=None), chat(1, role="assistant", content=""))
    + event(chat(content="He", logprobs=logprob("He")), chat(1, reasoning_content="hm"))
    + event(chat(content="llo", logprobs=logprob("llo")))
    + event(chat(1, content="Ho"), chat(finish="stop"))
    + event(chat(1, finish="length"))
    + event(usage={"prompt_tokens": 10})
    + DONE
)


def test_what_is_folded_and_told_again_says_the_same():
    whole = folded(CHAT, Kind.CHAT, USAGE)
    answer = msgspec.json.decode(whole)
    assert answer["object"] == "chat.completion"
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    first, second = answer["choices"]
    assert (first["message"], first["finish_reason"]) == ({"role": "assistant", "content": "Hello"}, "stop")
    assert [one["token"] for one in first["logprobs"]["content"]] == ["He", "llo"]
    assert second["message"] == {"role": "assistant", "content": "Ho", "reasoning_content": "hm"}
    assert msgspec.json.decode(folded(replayed(whole, Kind.CHAT, True), Kind.CHAT, USAGE)) == msgspec.json.decode(whole)


def test_places_in_the_text_are_counted_from_its_beginning():
    def text(said, finish=None):
        logprobs = {"tokens": [said], "token_logprobs": [-1], "top_logprobs": [None], "text_offset": [0]}
        return event({"index": 0, "text": said, "finish_reason": finish, "logprobs": logprobs if said else None})

    whole = folded(text("ab") + text("c") + text("", "stop") + DONE, Kind.TEXT, USAGE)
    [choice] = msgspec.json.decode(whole)["choices"]
    assert (choice["text"], choice["logprobs"]["text_offset"]) == ("abc", [0, 2])
    assert msgspec.json.decode(folded(replayed(whole, Kind.TEXT, False), Kind.TEXT, USAGE)) == msgspec.json.decode(
        whole
    )


@pytest.mark.parametrize(
    "events",
    [
        CHAT.removesuffix(DONE),
        event(chat(role="assistant", content="Hello")) + DONE,
        event(chat(tool_calls=[{"index": 0}], finish="tool_calls")) + DONE,
        event(chat(content="x", finish="stop"), error={"message": "no"}) + DONE,
        event({"index": 0, "finish_reason": "stop"}) + DONE,
        event(chat(content="x", finish="stop", logprobs={"content": 5})) + DONE,
    ],
)
def test_what_cannot_be_put_together_for_certain_is_not(events):
    with pytest.raises(NotPlain):
        folded(events, Kind.CHAT, USAGE)
