"""The real engine is asked for the rest of an answer by the very tokens that it said, wherever the answer was cut."""

import json
import time
from types import SimpleNamespace

import pytest

from argosy.gateway import Kind, parse
from argosy.gateway.continuation import carried_on
from argosy.gateway.exact import by_tokens
from argosy.gateway.relay import Deadlines, Relay
from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica

ASKS = ["Write a short greeting.", "Count from 1 to 5, one number a line.", "Say hello in Chinese: 你好 😀"]
TOKENS = 24


@pytest.fixture(scope="module")
def engine(starter_gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    spec = EngineSpec("tiny", "", str(starter_gguf), slots=2, context_length=1024)
    replica = Replica("llama_cpp", spec, folder, folder / "engine.log")
    while not replica.announced() and not replica.dead:
        time.sleep(0.005)
    assert not replica.dead, replica.failure
    yield replica
    replica.stop()


@pytest.fixture
async def relay():
    wire = Relay(Deadlines())
    await wire.start()
    yield wire
    await wire.stop()


async def told(relay, url, request, **more):
    """The events of a stream, their text, and the number of their token: the last of several that are one character."""
    body = {**json.loads(request.body), "stream": True, "logprobs": True, "top_logprobs": 1, **more}
    async with relay.post(url + request.kind.path, json.dumps(body).encode(), {}) as response:
        whole = await response.read()
    found = []
    for event in whole.split(b"\n\n"):
        if event.startswith(b"data: {") and (choices := json.loads(event[6:])["choices"]):
            text = choices[0]["delta"].get("content")
            if text:
                found.append((event + b"\n\n", text, choices[0]["logprobs"]["content"][-1]["id"]))
    return found


async def tokens_of(relay, url, text):
    body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
    async with relay.post(url + "/tokenize", body, {}) as response:
        return json.loads(await response.read())["tokens"]


def cut(request, events):
    """A trip whose stream was cut after these events."""
    delivered = [event for event, _, _ in events]
    rest = carried_on(request, delivered, len(events))
    return SimpleNamespace(call=SimpleNamespace(request=request), request=rest, delivered=delivered)


def chat(ask, **more):
    body = {"model": "tiny", "messages": [{"role": "user", "content": ask}], "stream": True}
    return parse(Kind.CHAT, json.dumps({**body, "temperature": 0, "max_tokens": TOKENS, **more}).encode())


async def test_wherever_it_was_cut_the_tokens_are_the_engines_own(engine, relay):
    read_otherwise = 0
    [line] = await tokens_of(relay, engine.url, "\n")
    only_lines = chat("Breathe.", logit_bias={str(line): 100})
    for request in (*map(chat, ASKS), only_lines):
        events = await told(relay, engine.url, request)
        assert len(events) > 5
        async with relay.post(engine.url + "/apply-template", request.body, {}) as response:
            prompt = json.loads(await response.read())["prompt"]
        before = await tokens_of(relay, engine.url, prompt)
        said = []
        for count in range(1, len(events)):
            text, last = events[count - 1][1:]
            said += [last] if text.isascii() else await tokens_of(relay, engine.url, text)
            assert said[-1] == last
            rest = await by_tokens(relay, cut(request, events[:count]), engine.url)
            asked = json.loads(rest.body)
            assert (rest.kind, rest.told_as_chat) == (Kind.TEXT, True)
            assert asked["prompt"] == before + said
            assert asked["max_tokens"] == TOKENS - count
            text = prompt + "".join(text for _, text, _ in events[:count])
            read_otherwise += await tokens_of(relay, engine.url, text) != before + said
    assert read_otherwise, "with the text alone, it would have gone on from other tokens"


async def test_a_text_completion_is_carried_on_in_the_same_way(engine, relay):
    body = {"model": "tiny", "prompt": "Dear Sir,\n\n", "temperature": 0, "max_tokens": TOKENS, "stream": True}
    request = parse(Kind.TEXT, json.dumps(body).encode())
    delivered = [b'data: {"choices":[{"text":"\\n"}]}\n\n', b'data: {"choices":[{"text":"\\n"}]}\n\n']
    trip = SimpleNamespace(
        call=SimpleNamespace(request=request), request=carried_on(request, delivered, 2), delivered=delivered
    )
    rest = await by_tokens(relay, trip, engine.url)
    [line] = (await tokens_of(relay, engine.url, "\n"))[-1:]
    assert json.loads(rest.body)["prompt"] == await tokens_of(relay, engine.url, "Dear Sir,\n\n") + [line, line]
    assert rest.told_as_chat is False
