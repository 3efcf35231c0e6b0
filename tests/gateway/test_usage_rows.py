"""What a usage row says besides tokens: who answered, which version, how soon, and what the caller said of the request.

Over every wire and for every ending.
"""

import asyncio
import json
from dataclasses import replace

import httpx
import openai
import pytest
from tests.gateway import engine as engines
from tests.gateway.engine import running_engine
from tests.gateway.harness import QUESTION
from tests.gateway.test_failover import PRICES, offer, route

CANARY = "canary-5b1e"
SAID = {"task": "chart", "who": CANARY}


async def post(api, path, body, **headers):
    async with httpx.AsyncClient(timeout=10) as http:
        given = {"authorization": f"Bearer {api.secret}", **headers}
        return await http.post(api.url + path, json=body, headers=given)


@pytest.fixture
def versioned(api):
    """The API whose model has a version."""
    api.route([replace(one, version="dep_1 v3") for one in api.routes])
    return api


ASKED = {
    "/v1/chat/completions": {"messages": QUESTION, "metadata": SAID},
    "/v1/completions": {"prompt": "Say", "metadata": SAID},
    "/v1/responses": {"input": "Say", "metadata": SAID, "store": False},
    "/v1/messages": {"messages": QUESTION, "max_tokens": 9, "metadata": {"user_id": CANARY}},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ASKED)
async def test_every_wire_has_all_of_it(versioned, path, stream, monkeypatch, capsys):
    api = versioned
    monkeypatch.setitem(engines.USAGE, "completion_tokens_details", {"reasoning_tokens": 3})
    answer = await post(api, path, {"model": "tiny", **ASKED[path], "stream": stream})
    assert answer.status_code == 200
    [event] = await api.settled()
    assert json.loads(event.tags) == ({"user_id": CANARY} if path == "/v1/messages" else SAID)
    assert (event.target, event.model_version, event.outcome) == ("tiny", "dep_1 v3", "complete")
    assert 0 < event.first_token_us <= event.finished_us - event.started_us
    assert event.reasoning_tokens == 3
    if not stream and path != "/v1/messages":  # which has no place for it
        usage = answer.json()["usage"]
        details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
        assert details["reasoning_tokens"] == 3
    async with httpx.AsyncClient() as http:
        metrics = await http.get(api.url + "/metrics", headers={"authorization": f"Bearer {api.secret}"})
    assert CANARY not in metrics.text
    assert CANARY not in capsys.readouterr().out


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank"])
async def test_what_does_not_write_has_it_too(api, path):
    base = api.routes[0]
    api.route([*api.routes, *(replace(base, model=kind, modality=kind) for kind in ("embedding", "rerank"))])
    body = {"input": ["a"]} if path == "/v1/embeddings" else {"query": "q", "documents": ["a"]}
    model = path.removeprefix("/v1/").removesuffix("s")
    assert (await post(api, path, {"model": model, "metadata": SAID, **body})).status_code == 200
    [event] = await api.settled()
    assert json.loads(event.tags) == SAID
    assert event.first_token_us > 0


async def test_one_who_leaves_and_one_whose_answer_breaks(versioned):
    api = versioned
    api.engine.pause_s = 0.1
    stream = await api.ask(stream=True, metadata=SAID)
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    await stream.close()
    [left] = await api.settled()
    api.engine.plan = ["error", "failure", "failure", "failure"]
    with pytest.raises(openai.APIError):
        async for _ in await api.ask(stream=True, metadata=SAID):
            pass
    _, broken = await api.settled(2)
    for event, outcome in ((left, "client_gone"), (broken, "upstream_cut")):
        assert (event.outcome, json.loads(event.tags)) == (outcome, SAID)
        assert (event.target, event.model_version) == ("tiny", "dep_1 v3")
        assert 0 < event.first_token_us < event.finished_us - event.started_us


async def test_what_never_said_anything_has_no_first_token(api):
    api.engine.plan = ["hang"]
    with pytest.raises(openai.APITimeoutError):
        await api.client().with_options(timeout=0.3).chat.completions.create(model="tiny", messages=QUESTION)
    [event] = await api.settled()
    assert (event.outcome, event.first_token_us, event.target) == ("client_gone", 0, "tiny")


async def test_a_rescued_answer_is_its_rescuers(api, monkeypatch):
    monkeypatch.setitem(engines.USAGE, "completion_tokens_details", {"reasoning_tokens": 2})
    async with running_engine() as first, running_engine() as second:
        await offer(api, "primary", first, PRICES)
        await offer(api, "backup", second, PRICES)
        await route(api, [{"model": "primary"}, {"model": "backup", "priority": 1}])
        first.plan = ["failure"]
        await api.client().chat.completions.create(model="chat", messages=QUESTION, metadata=SAID)
        [event] = await api.settled()
        version = api.gateway._table.find(api.project_id, "backup").route.version
        assert (event.target, event.model, event.reasoning_tokens, event.attempts) == ("backup", "backup", 2, 2)
        assert event.model_version == version
        assert version.endswith(" v1 backup")
        assert json.loads(event.tags) == SAID
        assert "metadata" not in second.bodies[0], "it was said to this platform, and OpenAI refuses it without 'store'"
        await api.client().chat.completions.create(model="backup", messages=QUESTION, metadata=SAID, store=True)
        assert second.bodies[1]["metadata"] == SAID


async def test_a_resumed_stream_keeps_what_its_last_run_reasoned(api, monkeypatch):
    monkeypatch.setitem(engines.USAGE, "completion_tokens_details", {"reasoning_tokens": 2})
    api.engine.plan = ["cut"]
    answer = [
        chunk async for chunk in await api.ask(stream=True, metadata=SAID, stream_options={"include_usage": True})
    ]
    [event] = await api.settled()
    assert (event.outcome, event.completion_tokens, event.reasoning_tokens) == ("complete", 4, 2)
    assert answer[-1].usage.completion_tokens_details.reasoning_tokens == 2
    assert json.loads(event.tags) == SAID


async def test_several_choices_add_up_what_they_reasoned(api, monkeypatch):
    monkeypatch.setitem(engines.USAGE, "completion_tokens_details", {"reasoning_tokens": 2})
    answer = await api.ask(n=3)
    assert answer.usage.completion_tokens_details.reasoning_tokens == 6
    [event] = await api.settled()
    assert event.reasoning_tokens == 6


async def test_a_kept_answer_is_nobodys_but_the_callers_words_count(api):
    for said in ("first", "second"):
        got = await post(
            api,
            "/v1/chat/completions",
            {"model": "tiny", "messages": QUESTION, "temperature": 0, "metadata": {"turn": said}},
            **{"x-argosy-cache": "on"},
        )
        assert got.status_code == 200
        await asyncio.to_thread(api.gateway.cache.settle)
    _, kept = await api.settled(2)
    assert (kept.outcome, kept.target, json.loads(kept.tags)) == ("cached", "", {"turn": "second"})
    assert kept.first_token_us > 0


GOOD = [
    {},
    {"k" * 64: "v" * 512},
    {f"k{n}": "" for n in range(16)},
    {"": "空", 'a"b$.c[0]': "'; --", "emoji 🛥": "🛥" * 512},
]


@pytest.mark.parametrize("metadata", GOOD)
async def test_all_that_openai_takes_is_kept(api, metadata):
    await api.ask(metadata=metadata)
    [event] = await api.settled()
    assert json.loads(event.tags or "{}") == metadata


BAD = [
    ({f"k{n}": "" for n in range(17)}, "metadata", "object_above_max_properties"),
    ({"k" * 65: "v"}, "metadata", "property_name_above_max_length"),
    ({"k": "v" * 513}, "metadata.k", "string_above_max_length"),
    ({"k": 7}, "metadata.k", "invalid_type"),
    ({"k": None}, "metadata.k", "invalid_type"),
    ({"k": {"a": "b"}}, "metadata.k", "invalid_type"),
    ({"k": "a\0b"}, "metadata.k", "invalid_value"),
    ({"a\0b": "k"}, "metadata", "invalid_value"),
    ("text", "metadata", "invalid_value"),
    ([], "metadata", "invalid_value"),
]


@pytest.mark.parametrize(("metadata", "param", "code"), BAD)
async def test_what_openai_refuses_is_refused_before_anything_happens(api, metadata, param, code):
    answer = await post(api, "/v1/chat/completions", {"model": "tiny", "messages": QUESTION, "metadata": metadata})
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
    assert api.engine.bodies == []


@pytest.mark.parametrize("value", [b'"\\ud800"', b'"\xff"', b'"\\x"', b"1" * 400, b"[" * 2000 + b"]" * 2000])
async def test_what_is_no_text_at_all_is_refused(api, value):
    body = b'{"model":"tiny","messages":[{"role":"user","content":"a"}],"metadata":{"k":%s}}' % value
    async with httpx.AsyncClient() as http:
        headers = {"authorization": f"Bearer {api.secret}"}
        answer = await http.post(api.url + "/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert api.engine.bodies == []


async def test_the_other_wires_refuse_it_as_well(api):
    long = "v" * 513
    for path, body in (
        ("/v1/responses", {"input": "Say", "metadata": {"k": long}}),
        ("/v1/messages", {"messages": QUESTION, "max_tokens": 9, "metadata": {"user_id": long}}),
    ):
        answer = await post(api, path, {"model": "tiny", **body})
        assert answer.status_code == 400
    assert api.engine.bodies == []
