"""Anthropic's Messages API with its own SDK: messages whole and streamed, on the real engine."""

import anthropic
import pytest
from tests.conformance.asking import HELLO, rows_of
from tests.conformance.upstream import Fails, Hangs, Says
from tests.flows.platform import KEY, STARTER

ASK = {"model": STARTER, "messages": HELLO, "max_tokens": 60, "extra_body": {"temperature": 0}}


def ask(claude, **members):
    return claude.messages.create(**{**ASK, **members})


def test_a_message(claude, platform):
    message = ask(claude, system="Be kind.")
    assert (message.type, message.role, message.model) == ("message", "assistant", STARTER)
    [block] = message.content
    assert (block.type, message.stop_reason, message.stop_sequence) == ("text", "end_turn", None)
    assert block.text
    assert message.usage.output_tokens > 0
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 0
    assert message._request_id == "req_" + message.id.removeprefix("msg_")
    assert message._request_id in [row["id"] for row in platform.usage_rows() if row["kind"] == "message"]


def test_the_system_prompt_may_be_blocks_and_reaches_the_model(claude, scripted):
    scripted.script.will(Says(words=("Ahoy",)))
    blocks = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "ahoy"}]}]
    more = {"extra_body": {"top_p": 0.5}}  # which the SDK has no argument for any more
    ask(claude, model=scripted.model, system=blocks, messages=parts, stop_sequences=["X"], **more)
    [body] = scripted.script.bodies
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say\nahoy"}]
    assert (body["stop"], body["top_p"], body["max_tokens"]) == (["X"], 0.5, 60)


def test_raw_events_come_in_order_and_say_the_same(claude):
    events = list(ask(claude, stream=True))
    names = [event.type for event in events if event.type != "ping"]
    assert names[:2] == ["message_start", "content_block_start"]
    assert set(names[2:-3]) == {"content_block_delta"}
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    said = "".join(event.delta.text for event in events if event.type == "content_block_delta")
    whole = ask(claude)
    assert said == whole.content[0].text
    delta = events[-2]
    assert (delta.delta.stop_reason, delta.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


def test_the_helper_of_the_sdk_collects_a_stream(claude):
    with claude.messages.stream(**ASK) as told:
        text = "".join(told.text_stream)
        final = told.get_final_message()
    assert text == final.content[0].text == ask(claude).content[0].text
    assert (final.stop_reason, final.usage.output_tokens > 0) == ("end_turn", True)


async def test_the_same_asynchronously(aclaude):
    assert (await aclaude.messages.create(**ASK)).content[0].text
    async with aclaude.messages.stream(**ASK) as told:
        assert "".join([text async for text in told.text_stream])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_is_the_reason_why_it_stops(claude, scripted, streamed):
    scripted.script.will(Says(refusal="I will not."))
    asked = {"model": scripted.model, "max_tokens": 9, "messages": HELLO}
    if streamed:
        with claude.messages.stream(**asked) as told:
            message = told.get_final_message()
    else:
        message = claude.messages.create(**asked)
    assert (message.content[0].text, message.stop_reason) == ("I will not.", "refusal")


@pytest.mark.parametrize("streamed", [False, True])
def test_the_bound_on_tokens_is_told_as_the_reason(claude, streamed):
    asked = {**ASK, "messages": [{"role": "user", "content": "Tell me a long story."}], "max_tokens": 3}
    if streamed:
        with claude.messages.stream(**asked) as told:
            message = told.get_final_message()
    else:
        message = claude.messages.create(**asked)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)


def test_a_stop_sequence_ends_the_message_before_it(claude):
    whole = ask(claude).content[0].text
    word = whole.split()[2]
    message = ask(claude, stop_sequences=[word])
    assert message.content[0].text == whole[: whole.index(word)]
    assert message.stop_reason in ("stop_sequence", "end_turn")  # llama.cpp does not say which


def test_an_answer_is_held_to_a_schema(claude):
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    message = ask(claude, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert message.content[0].text.strip().startswith("{")


def test_headers_tell_the_id_and_who_answered(claude):
    raw = claude.messages.with_raw_response.create(**ASK)
    assert raw.headers["request-id"] == raw.headers["x-request-id"] == raw.parse()._request_id
    assert (raw.headers["x-argosy-target"], raw.headers["x-argosy-attempts"]) == (STARTER, "1")
    with claude.messages.with_streaming_response.create(**ASK, stream=True) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "event: message_stop" in list(response.iter_lines())


def test_a_key_may_stand_in_either_header(platform):
    bearer = anthropic.Anthropic(auth_token=KEY, base_url=platform.url, max_retries=0)
    assert bearer.messages.create(**{**ASK, "max_tokens": 1}).type == "message"


def test_a_client_that_gives_up_stops_the_work(claude, scripted, platform):
    scripted.script.will(Hangs())
    with pytest.raises(anthropic.APITimeoutError):
        ask(claude.with_options(timeout=2.0), model=scripted.model)
    assert scripted.script.left.wait(20)
    [row] = rows_of(platform, scripted.model)
    assert (row["kind"], row["outcome"]) == ("message", "client_gone")


@pytest.mark.parametrize("step", [Fails(429, retry_after=1), Fails(503, retry_after=1), Fails(500)])
def test_the_sdk_tries_again_and_only_the_answer_is_paid(claude, scripted, platform, step):
    scripted.script.will(step, Says(words=("Hello",)))
    raw = claude.with_options(max_retries=5).messages.with_raw_response.create(
        model=scripted.model, max_tokens=9, messages=HELLO
    )
    assert raw.parse().content[0].text == "Hello"
    assert raw.retries_taken >= 1
    assert len(rows_of(platform, scripted.model)) == 1
    assert len(scripted.script.bodies) == 2
