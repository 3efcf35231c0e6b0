"""Answers as engines and providers really stream them, and what each wire makes of them."""

import json

import pytest

from argosy.core import UpstreamFailed
from argosy.gateway.wires import messages, responses
from argosy.gateway.wires.responses import read

USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": None}


def chat(*deltas, finish="stop", usage=USAGE):
    """A chat stream of these deltas."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    events = [{"model": "real", "choices": [choice]} for choice in choices]
    events.append({"model": "real", "choices": [], "usage": usage})
    return [b"data: %s\n\n" % json.dumps(event).encode() for event in events] + [b": ping\n\n", b"data: [DONE]\n\n"]


def call(index, arguments="", **more):
    """A piece of a call; with ``name`` and ``id`` it is the first one."""
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"tool_calls": [{"index": index, **more, "function": {"arguments": arguments, **name}}]}


def parsed(written):
    return [json.loads(event.split(b"\ndata: ")[1]) for event in written.removesuffix(b"\n\n").split(b"\n\n")]


def responded(events):
    writer = responses.Writer(read(b'{"model":"asked","input":"x"}').head("resp_1", 1))
    written = b"".join(map(writer.feed, events)) + writer.close() + writer.last(writer.response())
    return parsed(written)


def messaged(events):
    writer = messages.Writer("msg_1", "asked")
    return parsed(b"".join(map(writer.feed, events)) + writer.close())


PARALLEL = [
    {"role": "assistant", "content": None},
    {"content": "Let me see. ", "tool_calls": []},
    call(0, name="f", id="call_a"),
    call(0, '{"a":'),
    call(0, "1}"),
    call(1, "{}", name="g", id="call_b"),
    call(0, ""),
]


def test_calls_after_words_are_items_of_their_own():
    events = responded(chat(*PARALLEL, finish="tool_calls"))
    last = events[-1]
    assert (last["type"], last["response"]["model"]) == ("response.completed", "real")
    said, first, second = last["response"]["output"]
    assert said["content"][0]["text"] == "Let me see. "
    assert [(one["call_id"], one["name"], one["arguments"], one["status"]) for one in (first, second)] == [
        ("call_a", "f", '{"a":1}', "completed"),
        ("call_b", "g", "{}", "completed"),
    ]
    ended = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert ended == [said, first, second]
    order = [event["type"].removeprefix("response.") for event in events if "output_item" in event["type"]]
    assert order == ["output_item.added", "output_item.done"] * 3
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_calls_after_words_are_blocks_of_their_own():
    events = messaged(chat(*PARALLEL, finish="tool_calls"))
    starts = [(event["index"], event["content_block"]) for event in events if event["type"] == "content_block_start"]
    assert starts == [
        (0, {"type": "text", "text": ""}),
        (1, {"type": "tool_use", "id": "call_a", "name": "f", "input": {}}),
        (2, {"type": "tool_use", "id": "call_b", "name": "g", "input": {}}),
    ]
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2]
    pieces = [(e["index"], e["delta"]["partial_json"]) for e in events if "partial_json" in e.get("delta", ())]
    assert pieces == [(1, '{"a":'), (1, "1}"), (2, "{}")]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


@pytest.mark.parametrize("translate", [responded, messaged])
@pytest.mark.parametrize(
    "deltas",
    [
        [call(0, "{}", id="call_a")],
        [call(0, name="f", id="a"), call(1, name="g", id="b"), call(0, '{"late":1}')],
        [{"content": 7}],
        [{"tool_calls": [{"function": 3}]}],
    ],
)
def test_what_is_no_chat_stream_is_an_error_not_an_answer(translate, deltas):
    with pytest.raises(UpstreamFailed):
        translate(chat(*deltas))


def test_a_response_that_fails_says_so_twice_and_shows_what_there_is():
    writer = responses.Writer(read(b'{"model":"asked","input":"x"}').head("resp_1", 1))
    writer.feed(chat({"content": "Hi"})[0])
    failed, error = parsed(writer.fail(UpstreamFailed("It went away.", code="upstream_cut")))
    assert (failed["type"], error["type"]) == ("response.failed", "error")
    shown = failed["response"]
    assert (shown["status"], shown["error"]) == ("failed", {"code": "server_error", "message": "It went away."})
    assert (shown["output"][0]["status"], shown["output"][0]["content"][0]["text"]) == ("incomplete", "Hi")
    assert (error["code"], error["sequence_number"]) == ("upstream_cut", failed["sequence_number"] + 1)


def test_thoughts_are_told_apart_from_words():
    deltas = [{"reasoning_content": "Hm"}, {"reasoning_content": "m."}, {"content": "Hi"}]
    output = responded(chat(*deltas))[-1]["response"]["output"]
    assert [(item["type"], item["content"][0]["text"]) for item in output] == [("reasoning", "Hmm."), ("message", "Hi")]
    blocks = [e["content_block"]["type"] for e in messaged(chat(*deltas)) if e["type"] == "content_block_start"]
    assert blocks == ["thinking", "text"]


def test_an_answer_cut_by_its_limit_is_incomplete():
    last = responded(chat({"content": "Hi"}, finish="length"))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert messaged(chat({"content": "Hi"}, finish="length"))[-2]["delta"]["stop_reason"] == "max_tokens"


def test_an_empty_answer_has_a_beginning_and_an_end():
    last = responded(chat())[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == ""
    names = [event["type"] for event in messaged(chat())]
    assert names == ["message_start", "ping", "message_delta", "message_stop"]


def test_usage_that_nobody_knows_is_not_zero_in_a_response():
    assert responded(chat({"content": "Hi"}, usage=None))[-1]["response"]["usage"] is None


def test_the_stop_sequence_is_named_where_the_engine_names_it():
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop", "stop_reason": "END"}], "usage": USAGE}
    message = json.loads(messages.Writer("msg_1", "m").whole(json.dumps(body).encode()))
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
