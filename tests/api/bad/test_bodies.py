"""Bodies that are no request: a quick refusal in OpenAI's shape, before any engine is troubled."""

import json

import pytest
from tests.api.bad.requests import CHAT, EMBED, GOOD, SECRET, refused
from tests.api.raw import head, post, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")


def chat(more: bytes) -> bytes:
    return json.dumps(GOOD[CHAT]).encode()[:-1] + b"," + more + b"}"


BODIES = {
    "nothing": b"",
    "spaces": b" \n\t ",
    "half": json.dumps(GOOD[CHAT]).encode()[:-3],
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "more after it": json.dumps(GOOD[CHAT]).encode() + b"{}",
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD[CHAT]).encode(),
    "utf-16": json.dumps(GOOD[CHAT]).encode("utf-16"),
    "invalid utf-8 in what is read": chat(b'"user":"\xff\xfe"'),
    "invalid utf-8 in what is not": chat(b'"unknown":"\xff\xfe"'),
    "invalid utf-8 in a name": chat(b'"\xc3\x28":1'),
    "half a character": chat('"unknown":"é"'.encode()[:-2] + b'"'),
    "an overlong character": chat(b'"unknown":"\xc0\xaf"'),
    "a lone surrogate": chat(rb'"user":"\ud800"'),
    "a lone surrogate in what is not read": chat(rb'"unknown":["\udc00x"]'),
    "a surrogate in utf-8": chat(b'"unknown":"\xed\xa0\x80"'),
    "not a number": chat(b'"temperature":NaN'),
    "not a number in what is not read": chat(b'"unknown":NaN'),
    "infinity": chat(b'"top_p":Infinity'),
    "less than nothing": chat(b'"unknown":-Infinity'),
    "a number out of range": chat(b'"temperature":1e999'),
    "deep lists": chat(b'"unknown":' + b"[" * 10_000 + b"]" * 10_000),
    "deep objects": chat(b'"unknown":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "deep messages": b'{"model":"tiny","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep and open": b"[" * 1_000_000,
    "a control character": chat(b'"unknown":"\x00"'),
    "a comment": chat(b'"unknown":1/**/'),
    "twice, and the last is wrong": chat(b'"messages":[{"role":"user","content":"x"}],"messages":5'),
    "placement in disguise": chat(rb'"l\u006fra":[{"id":0,"scale":1}]'),
    "a role that there is not": b'{"model":"tiny","messages":[{"role":"root","content":"x"}]}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_refused_before_the_engine_sees_it(api, name):
    asked = len(api.engine.bodies)
    error = await refused(api, post(CHAT, api.secret, BODIES[name]))
    assert SECRET not in json.dumps(error)
    assert len(api.engine.bodies) == asked


async def test_any_depth_is_answered_or_refused(api):
    async with wire(api.url) as line:
        for depth in range(850, 1100, 3):
            await line.send(post(CHAT, api.secret, chat(b'"unknown":' + b"[" * depth + b"]" * depth)))
            said = await line.said()
            assert said.status in (200, 400), depth
            tool = b'{"type":"function","function":{"name":"f","parameters":{"a":%s}}}' % (b"[" * depth + b"]" * depth)
            await line.send(post(CHAT, api.secret, chat(b'"tools":[%s]' % tool)))
            assert (await line.said()).status in (200, 400), depth


async def test_of_a_member_that_is_there_twice_the_last_counts(api):
    async with wire(api.url) as line:
        await line.send(post(CHAT, api.secret, b'{"model":"none",' + json.dumps(GOOD[CHAT]).encode()[1:]))
        assert (await line.said()).status == 200


async def test_a_hundred_megabytes_are_refused_at_once(api):
    for path in (CHAT, EMBED, "/v1/keys", "/v1/routes/x"):
        lines = ("content-type: application/json", "content-length: 100000000")
        method = "PUT" if "routes" in path else "POST"
        error = await refused(api, head(path, api.secret, *lines, method=method) + b"{" * 10, 413)
        assert error["code"] == "body_too_large"


@pytest.mark.parametrize("path", [CHAT, "/v1/keys"])
async def test_chunks_without_end_are_refused_when_it_is_enough(api, path):
    async with wire(api.url) as line:
        await line.send(head(path, api.secret, "content-type: application/json", "transfer-encoding: chunked"))
        for _ in range(9):
            await line.send(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        said = await line.said()
        assert (said.status, said.error["code"]) == (413, "body_too_large")
        assert await line.closed()  # and who goes on sending is cut off


MESSAGES = {
    "a call without a function": {"role": "assistant", "tool_calls": [{"id": "x"}]},
    "a call without a name": {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]},
    "a call without arguments": {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
    "calls that are none": {"role": "assistant", "tool_calls": 5},
    "a call that is a text": {"role": "assistant", "tool_calls": ["f"]},
    "arguments that are no text": {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
    "a name that is a number": {"role": "user", "content": "x", "name": 5},
    "an id that is a number": {"role": "tool", "content": "x", "tool_call_id": 5},
    "content that is a number": {"role": "user", "content": 5},
    "no role": {"content": "x"},
}


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("name", MESSAGES)
async def test_a_bad_message_is_refused_with_its_place(api, name, tools):
    body = {**GOOD[CHAT], "messages": [{"role": "user", "content": "x"}, MESSAGES[name]]}
    if tools:
        body["tools"] = [{"type": "function", "function": {"name": "f"}}]
    error = await refused(api, post(CHAT, api.secret, json.dumps(body).encode()))
    assert error["param"].startswith("messages[1]")


@pytest.mark.parametrize("fault", ["not its own", "no eyes"])
async def test_what_an_engine_calls_its_own_fault_and_is_the_requests_opens_no_circuit(api, fault):
    api.engine.plan = [fault] * 6
    for _ in range(6):
        error = await refused(api, post(CHAT, api.secret, json.dumps(GOOD[CHAT]).encode()))
        assert "json.exception" not in error["message"]
        assert "mmproj" not in error["message"]
    assert not api.gateway._dispatch.health.open()
