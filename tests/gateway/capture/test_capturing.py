"""Requests through the gateway, and what is kept of them."""

import asyncio
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing

import pytest

from argosy.gateway.capture import capturing
from argosy.gateway.capture.store import delete_captures, put_spec
from argosy.redaction.document import Pattern, Rules

PEOPLE = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "I am bob@corp.com, 13812345678"}]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


async def test_off_by_default(api, ask, kept):
    answer = await ask()
    assert "x-argosy-capture" not in answer.headers
    assert await kept() == []
    assert api.gateway.capture._thread is None
    assert api.gateway.capture.redactor._child is None


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_and_its_answer_are_kept(api, ask, capture, kept, stream):
    capture()
    answer = await ask(stream=stream, user="u-7", messages=PEOPLE)
    assert answer.headers["x-argosy-capture"] == "on"
    [row] = await kept()
    assert row["id"] == answer.headers["x-request-id"]
    assert row["messages"] == [PEOPLE[0], {"role": "user", "content": "I am [email], [phone]"}]
    [choice] = row["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hello, world!"}
    assert (choice["finish_reason"], row["user"], row["tools"]) == ("stop", "u-7", None)
    assert (row["model"], row["served_by"], row["kind"], row["outcome"]) == (
        "tiny",
        "tiny",
        "chat.completion",
        "complete",
    )
    assert row["usage"] == {"prompt_tokens": 31, "cached_tokens": 24, "completion_tokens": 4}
    [event] = await api.settled()
    assert (event.id, event.outcome) == (row["id"], "complete")


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_are_kept(ask, capture, kept, stream):
    capture()
    await ask(stream=stream, tools=[TOOL], tool_choice="required")
    [row] = await kept()
    [call] = row["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert row["tools"][0]["function"]["name"] == "get_weather"
    assert row["choices"][0]["finish_reason"] == "tool_calls"


async def test_several_choices_are_kept(ask, capture, kept):
    capture()
    await ask(stream=True, n=3)
    [row] = await kept()
    assert [choice["index"] for choice in row["choices"]] == [0, 1, 2]


async def test_a_text_completion_is_kept_as_a_conversation(ask, capture, kept):
    capture()
    for stream in (False, True):
        await ask("/v1/completions", {"model": "tiny", "prompt": "Once", "stream": stream})
    await ask("/v1/completions", {"model": "tiny", "prompt": [1, 2, 3]})
    rows = await kept()
    assert len(rows) == 2
    for row in rows:
        assert row["messages"] == [{"role": "user", "content": "Once"}]
        assert row["choices"][0]["message"]["content"] == "Hello, world!"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_other_wires_are_kept_too(ask, capture, kept, stream):
    capture()
    one = await ask("/v1/responses", {"model": "tiny", "input": "Hi", "stream": stream})
    two = await ask(
        "/v1/messages",
        {"model": "tiny", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": stream},
    )
    rows = await kept()
    assert [row["kind"] for row in rows] == ["response", "message"]
    assert [row["id"] for row in rows] == [one.headers["x-request-id"], two.headers["x-request-id"]]
    for row in rows:
        assert row["choices"][0]["message"]["content"] == "Hello, world!"
        assert row["messages"][-1]["content"] in ("Hi", [{"type": "text", "text": "Hi"}])


async def test_a_kept_answer_told_again_is_kept_as_such(api, ask, capture, kept):
    capture()
    for stream in (False, True):
        await ask(headers={"x-argosy-cache": "on"}, temperature=0, stream=stream)
        api.gateway.cache.settle()
    assert [row["outcome"] for row in await kept()] == ["complete", "cached"]


@pytest.mark.parametrize("fault", ["error", "cut", "failure"])
async def test_a_broken_answer_is_not_kept(api, ask, capture, kept, fault):
    capture()
    api.engine.plan = [fault] * 5
    await ask(stream=True, response_format={"type": "json_object"}, n=2)
    assert await kept() == []
    assert api.gateway.capture.counts == {}


async def test_an_answer_whose_client_left_is_not_kept(api, ask, capture, kept, http):
    capture()
    api.engine.plan = ["stall"]
    async with http.stream(
        "POST", "/v1/chat/completions", json={"model": "tiny", "messages": PEOPLE, "stream": True}
    ) as got:
        async for _ in got.aiter_bytes():
            break
    await api.settled()
    assert await kept() == []


async def test_a_request_may_opt_out_and_not_in(api, ask, capture, kept):
    capture()
    for value in ("off", "OFF"):
        answer = await ask(headers={"x-argosy-capture": value})
        assert "x-argosy-capture" not in answer.headers
    refused = await ask(headers={"x-argosy-capture": "no"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_capture_mode")
    twice = await ask(headers=[("x-argosy-capture", "on"), ("x-argosy-capture", "off")])
    assert "x-argosy-capture" not in twice.headers
    capture(share=0)
    assert "x-argosy-capture" not in (await ask(headers={"x-argosy-capture": "on"})).headers
    capture(models=("other",))
    await ask(headers={"x-argosy-capture": "on"})
    assert await kept() == []


async def test_a_share_is_drawn_by_the_request(capture, ask, kept):
    capture(share=0.5)
    answers = [await ask() for _ in range(40)]
    marked = {answer.headers["x-request-id"] for answer in answers if "x-argosy-capture" in answer.headers}
    assert 0 < len(marked) < 40
    assert {row["id"] for row in await kept()} == marked


async def test_another_project_sees_and_keeps_nothing(api, ask, capture, kept, http):
    capture()
    mine = await ask()
    stranger = {"authorization": f"Bearer {api.other}"}
    await ask(headers=stranger)
    [row] = await kept()
    assert row["id"] == mine.headers["x-request-id"]
    rate = await http.post("/v1/feedback", headers=stranger, json={"request_id": row["id"], "rating": "up"})
    assert (rate.status_code, rate.json()["error"]["code"]) == (404, "request_not_captured")


async def test_nothing_readable_is_on_the_disk(api, ask, capture, kept, tmp_path):
    capture()
    await ask(messages=[{"role": "user", "content": "a very particular sentence"}])
    [row] = await kept()
    await ask(
        path="/v1/feedback", body={"request_id": row["id"], "rating": "up", "comment": "a very particular comment"}
    )
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"very particular" in data for data in files)


async def test_the_projects_own_rules_hold(ask, capture, kept):
    capture(rules=Rules(builtin=("email",), patterns=(Pattern("staff", r"EMP-\d+"),), drop=("system", "user")))
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "EMP-77 bob@corp.com 13812345678"}]
    await ask(messages=messages, user="u-7")
    [row] = await kept()
    assert row["messages"] == [{"role": "user", "content": "[staff] [email] 13812345678"}]
    assert row["user"] is None


async def test_rules_that_go_astray_cost_three_requests_and_no_answer(api, ask, capture, kept):
    astray = Rules(patterns=(Pattern("slow", "(q|qq)+$"),))
    capture(rules=astray)
    for _ in range(5):
        assert (await ask(messages=[{"role": "user", "content": "q" * 60 + "!"}])).status_code == 200
    assert await kept() == []
    assert api.gateway.capture.counts == {"too_slow": 5}
    assert (await ask()).status_code == 200
    assert await kept() == []
    capture(rules=Rules())
    await ask()
    assert len(await kept()) == 1


async def test_a_redactor_that_is_killed_costs_no_answer(api, ask, capture, kept):
    capture()
    await ask()
    await kept()
    child = api.gateway.capture.redactor._child
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    assert (await ask()).status_code == 200
    assert len(await kept()) == 2


async def test_a_locked_database_holds_up_no_answer(api, ask, capture, kept, monkeypatch):
    capture()
    entered, release = threading.Event(), threading.Event()
    true_add = capturing.add_captures

    def hanging(*arguments):
        entered.set()
        release.wait(30)
        return true_add(*arguments)

    monkeypatch.setattr(capturing, "add_captures", hanging)
    monkeypatch.setattr(capturing, "_WAITING_MAX", 2)
    await ask()
    await asyncio.to_thread(entered.wait, 20)
    for _ in range(5):
        assert (await ask()).status_code == 200
    assert api.gateway.capture.counts["dropped"] == 3
    release.set()
    assert len(await kept()) == 3
    assert "argosy_captures_total" in (await api_metrics(api))


async def api_metrics(api):
    return api.metrics.text().decode()


async def test_a_database_that_fails_costs_no_answer_and_is_counted(api, ask, capture, kept, tmp_path):
    capture()
    with closing(sqlite3.connect(tmp_path / "argosy.sqlite")) as db:
        db.execute("ALTER TABLE captures RENAME TO hidden")
    assert (await ask()).status_code == 200
    await asyncio.to_thread(api.gateway.capture.settle, 120)
    assert api.gateway.capture.counts == {"failed": 1}
    with closing(sqlite3.connect(tmp_path / "argosy.sqlite")) as db:
        db.execute("ALTER TABLE hidden RENAME TO captures")
    await ask()
    assert len(await kept()) == 1


async def test_what_is_under_way_when_all_is_deleted_does_not_come_back(api, ask, capture, kept):
    capture()
    api.engine.pause_s = 0.3
    asking = asyncio.create_task(ask())
    while not api.engine.bodies:
        await asyncio.sleep(0.005)
    with api.database.write() as tx:
        delete_captures(tx, api.project_id)
    await asking
    assert await kept() == []
    assert api.gateway.capture.counts["unwanted"] == 1
    await ask()
    assert len(await kept()) == 1


async def test_switched_off_it_keeps_nothing_of_what_is_under_way(api, ask, capture, kept):
    capture()
    api.engine.pause_s = 0.3
    asking = asyncio.create_task(ask())
    while not api.engine.bodies:
        await asyncio.sleep(0.005)
    with api.database.write() as tx:
        put_spec(tx, api.project_id, None)
    await asking
    assert await kept() == []


async def test_what_is_too_large_is_counted(api, ask, capture, kept):
    capture()
    assert (await ask(messages=[{"role": "user", "content": "x" * (1 << 20)}])).status_code == 200
    assert await kept() == []
    assert api.gateway.capture.counts == {"too_large": 1}


async def test_many_at_once_are_all_kept_once(api, ask, capture, kept, http):
    capture()
    answers = await asyncio.gather(*(ask(stream=number % 2 == 0) for number in range(60)))
    await kept()
    rows = (await http.get("/v1/captures?limit=100")).json()["data"]
    assert sorted(row["id"] for row in rows) == sorted(answer.headers["x-request-id"] for answer in answers)
    shown = (await http.get("/v1/capture")).json()
    assert (shown["rows"], shown["bytes"]) == (60, sum(row["bytes"] for row in rows))
