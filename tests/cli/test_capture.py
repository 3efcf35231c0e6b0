"""``argosy capture`` against the API: what people type, and what scripts read."""

import asyncio
import json

import pytest
from tests.gateway.harness import running_api
from typer.testing import CliRunner

from argosy.cli import app
from argosy.datasets import validate_sft
from argosy.gateway import Deadlines


@pytest.fixture
async def api(tmp_path, monkeypatch):
    async with running_api(tmp_path, Deadlines()) as running:
        monkeypatch.setenv("ARGOSY_URL", running.url)
        monkeypatch.setenv("ARGOSY_API_KEY", running.secret)
        yield running


async def run(*arguments, code=0, text=None):
    done = await asyncio.to_thread(CliRunner().invoke, app, ["capture", *map(str, arguments)], input=text)
    assert done.exit_code == code, done.output
    # The API runs in this process too, and writes its log where commands write.
    return "".join(line for line in done.output.splitlines(keepends=True) if not line.startswith('{"event"'))


async def told(*arguments):
    return json.loads(await run(*arguments, "--json"))


async def asked(api, count):
    api.gateway.refresh()
    ids = [(await api.ask(messages=[{"role": "user", "content": f"question {number}"}])).id for number in range(count)]
    assert await asyncio.to_thread(api.gateway.capture.settle, 120)
    return ids


async def test_from_switching_on_to_a_training_file(api, tmp_path):
    [made] = await told(
        "on", "--share", "1", "--model", "tiny", "--redact", "email, phone", "--pattern", "staff=EMP=\\d+",
        "--drop", "system", "--days", "5", "--rows-max", "99", "--mb-max", "2",
    )  # fmt: skip
    assert (made["models"], made["days"], made["rows_max"], made["bytes_max"]) == (["tiny"], 5, 99, 2 << 20)
    assert made["redaction"] == {
        "builtin": ["email", "phone"], "patterns": [{"name": "staff", "pattern": "EMP=\\d+"}], "drop": ["system"]
    }  # fmt: skip
    ids = await asked(api, 12)
    assert [row["id"] for row in await told("list", "--limit", "12")] == ids[::-1]
    await run("rate", ids[0], "-0.5", "--comment", "meh")
    await run("rate", ids[1], "up", "--correction", "-", text="As it should be\n")
    for request in ids[2:]:
        await run("rate", request, "up")
    assert [row["id"] for row in await told("list", "--rating", "down")] == [ids[0]]
    shown = json.loads(await run("show", ids[1]))
    assert shown["feedback"][0]["correction"] == "As it should be"
    file = tmp_path / "out" / "train.jsonl"
    file.parent.mkdir()
    assert "11 rows in" in await run("export", "--rating", "up", "-o", file)
    report = validate_sft(file)
    assert (report.valid, report.rows) == (True, 11)
    assert "As it should be" in file.read_text().splitlines()[0]
    assert [path.name for path in file.parent.iterdir()] == ["train.jsonl"]
    await run("delete", ids[0])
    await run("delete", "--all")
    assert await told("list") == []
    await run("off")
    assert (await told("show"))[0]["enabled"] is False


async def test_what_is_left_out_is_said(api, tmp_path):
    await run("on")
    await asked(api, 2)
    api.gateway.refresh()
    await api.ask(tools=[{"type": "function", "function": {"name": "get_weather"}}], tool_choice="required")
    assert await asyncio.to_thread(api.gateway.capture.settle, 120)
    said = await run("export", "-o", tmp_path / "t.jsonl")
    assert "2 rows in" in said
    assert "1 cannot be trained on" in said.replace("\n", " ")


async def test_mistakes_are_told(api, tmp_path):
    for arguments in (("delete",), ("delete", "req_1", "--all"), ("on", "--pattern", "nothing")):
        done = await asyncio.to_thread(CliRunner().invoke, app, ["capture", *arguments])
        assert done.exit_code == 1
    await run("on", "--share", "2", code=2)
    await run("export", code=2)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["capture", "rate", "req_none", "up"])
    assert "not captured" in str(done.exception)
