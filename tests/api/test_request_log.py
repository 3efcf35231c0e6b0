"""One line a request, whatever becomes of it, and never a word of what was asked, answered or whose key it was."""

import asyncio
import json

import httpx
import pytest
from tests.gateway.harness import QUESTION, running_api

from argosy.api.request_log import RequestLog
from argosy.core import Settings
from argosy.gateway import Deadlines
from argosy.gateway.telemetry.report import report_of

CANARY = "canary-7f3a"
"""Whatever a caller writes has it; no line may."""


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=0.3, replica=0.3, poll=0.01)) as running:
        yield running


async def post(api, body, path="/v1/chat/completions", key=None, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient() as http:
        given = {"authorization": f"Bearer {key or api.secret}", **headers}
        return await http.post(api.url + path, content=content, headers=given)


async def lines(capsys, count):
    """The lines of that many requests, once they are written."""
    text = ""
    for _ in range(100):
        text += capsys.readouterr().out
        found = [json.loads(line) for line in text.splitlines() if line.startswith('{"event":"request",')]
        if len(found) >= count:
            break
        await asyncio.sleep(0.02)
    assert len(found) == count
    return found, text


ASK = {"model": "tiny", "messages": [{"role": "user", "content": f"Say {CANARY}"}]}


async def test_a_line_tells_who_asked_what_answered_how_long_it_took_and_what_it_used(api, capsys):
    answer = await post(api, {**ASK, "stream": True}, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    [line], _ = await lines(capsys, 1)
    [event] = await api.settled()
    assert line["request_id"] == event.id == answer.headers["x-request-id"]
    assert (line["project_id"], line["key_id"]) == (event.project_id, event.key_id)
    assert (line["path"], line["model"], line["target"]) == ("/v1/chat/completions", "tiny", "tiny")
    assert (line["attempts"], line["status"], line["outcome"], line["stream"]) == (1, 200, "complete", True)
    assert (line["prompt_tokens"], line["cached_tokens"], line["completion_tokens"]) == (31, 24, 4)
    assert (line["estimated"], line["error"], line["route"]) == (False, None, None)
    assert 0 < line["first_byte_ms"] <= line["total_ms"]
    assert line["trace_id"] == "a" * 32
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


BAD = [
    b"",
    b"{" + CANARY.encode(),
    b"\xff" + CANARY.encode(),
    b'{"model":"' + CANARY.encode() + b'","messages":[{"role":"user","content":"hi"}]}',
    b'{"model":"tiny","messages":"' + CANARY.encode() + b'"}',
    b'{"model":"tiny","messages":[{"role":"' + CANARY.encode() + b'","content":"hi"}]}',
    b'{"model":"tiny","lora":"' + CANARY.encode() + b'","messages":[{"role":"user","content":"hi"}]}',
    b'{"model":"tiny","' + CANARY.encode() + b'":NaN,"messages":[{"role":"user","content":"hi"}]}',
]
FAULTS = ["failure", "garbage", "empty body", "bad", "too long", "hang", "drop", "loading"]
STREAM_FAULTS = ["cut", "error", "stall", "garbage events", "hang after headers"]


async def test_nothing_that_a_caller_wrote_is_in_any_line(api, capsys, caplog):
    """Bad bodies, bad keys, faults of engines and of ours, streamed and not."""
    caplog.set_level("DEBUG")
    for body in BAD:
        await post(api, body)
    await post(api, ASK, key=f"sk-{CANARY}")
    for body, faults in ((ASK, FAULTS), ({**ASK, "stream": True}, STREAM_FAULTS)):
        for fault in faults:
            api.gateway._dispatch.health._known.clear()  # each meets a closed circuit
            api.engine.plan = [fault] * 3
            await post(api, body)
            assert len(api.engine.plan) < 3
    api.engine.plan = []
    await post(api, ASK)
    await post(api, ASK, path=f"/v1/{CANARY}/chat/completions")
    count = len(BAD) + 1 + len(FAULTS) + len(STREAM_FAULTS) + 1  # the last has no such path: it is the control plane's
    found, text = await lines(capsys, count)
    others = ("httpx", "httpcore", "uvicorn.access")  # the test's own client, and what only pytest gives a handler
    text += "\n".join(f"{one.name} {one.getMessage()}" for one in caplog.records if not one.name.startswith(others))
    for secret in (CANARY, api.secret, api.other, "Hello", "world", "secret-path", "segfault", "core dumped"):
        assert secret not in text
    errors = [line["error"] for line in found]
    assert errors[0] == errors[1] == "invalid_json"
    assert "model_not_found" in errors
    assert "invalid_api_key" in errors
    assert "context_length_exceeded" in errors
    assert found[-1]["error"] is None
    assert len({line["request_id"] for line in found}) == count
    unknown = found[errors.index("model_not_found")]
    assert (unknown["model"], unknown["target"], unknown["outcome"]) == (None, None, "refused")
    assert unknown["key_id"]


async def test_a_fault_of_ours_is_logged_with_its_place_but_without_its_words(api, capsys, monkeypatch):
    def stumble(*_):
        raise ValueError(f"cannot take {CANARY}")

    monkeypatch.setattr(api.gateway._table, "find", stumble)
    assert (await post(api, ASK)).status_code == 500
    [line], text = await lines(capsys, 1)
    assert (line["status"], line["error"], line["level"]) == (500, "internal_error", "error")
    assert "builtins.ValueError" in text
    assert "stumble" in text
    assert CANARY not in text


async def test_a_client_that_leaves_has_a_line_too(api, capsys):
    api.engine.plan = ["stall"]
    async with httpx.AsyncClient() as http:
        given = {"authorization": f"Bearer {api.secret}"}
        async with http.stream(
            "POST", f"{api.url}/v1/chat/completions", json={**ASK, "stream": True}, headers=given
        ) as r:
            async for _ in r.aiter_raw():
                break
    [line], _ = await lines(capsys, 1)
    assert (line["status"], line["outcome"], line["estimated"]) == (499, "client_gone", True)
    assert line["completion_tokens"] >= 1


async def test_an_answer_that_was_cut_says_so_although_its_status_was_good(api, capsys):
    api.engine.plan = ["error"]
    await post(api, {**ASK, "stream": True})
    [line], _ = await lines(capsys, 1)
    assert (line["status"], line["error"], line["outcome"]) == (200, "engine_failed", "upstream_cut")
    assert line["level"] == "error"


async def test_lines_that_nobody_takes_have_a_bound(served_report):
    log = RequestLog(lines_max=3)
    for _ in range(5):
        log.add(served_report)
    assert log.dropped == 2


async def test_what_is_not_written_yet_is_written_at_the_end(served_report, capsys):
    log = RequestLog()
    log.add(served_report)
    log.close()
    assert json.loads(capsys.readouterr().out)["request_id"] == "req_1"


@pytest.fixture
def served_report():
    from argosy.gateway import Served

    return report_of("/v1/embeddings", "req_1", Served(), 401, 0.0)


def test_it_can_be_turned_off():
    assert Settings.read({}).request_log
    off = Settings.read({"ARGOSY_REQUEST_LOG": "off"})
    assert not off.request_log
    assert not Settings.read(off.environment()).request_log
    with pytest.raises(ValueError, match=r"ARGOSY_REQUEST_LOG.*'no'"):
        Settings.read({"ARGOSY_REQUEST_LOG": "no"})


async def test_asked_as_an_alias_the_line_says_both_names(api, capsys):
    await api.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
    await api.client().put("/aliases/house", body={"target": "tiny"}, cast_to=dict)
    api.gateway.refresh()
    await api.ask(model="house", messages=QUESTION)
    [line], _ = await lines(capsys, 1)
    assert (line["model"], line["target"]) == ("house", "tiny")
