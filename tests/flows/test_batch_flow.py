"""A batch on a whole platform whose processes are killed meanwhile: each line once in the answers, once on the bill."""

import json
import os
import subprocess
import sys

import pytest
from tests.flows.platform import KEY, RunningPlatform, until

LINES = 400
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def echoes(tmp_path_factory):
    """A platform with the echo engine, which a test may break."""
    running = RunningPlatform(tmp_path_factory.mktemp("batches") / "home", "echo")
    running.wait_for_model("echo")
    yield running
    if running.process.poll() is None:
        running.stop()


def content(lines):
    rows = [
        {"custom_id": f"q{n}", "method": "POST", "url": CHAT,
         "body": {"model": "echo", "messages": [{"role": "user", "content": f"line {n} delay 20ms"}]}}
        for n in range(lines)
    ]  # fmt: skip
    return "\n".join(map(json.dumps, rows)).encode()


def create(platform, lines):
    file = platform.client.files.create(file=("lines.jsonl", content(lines)), purpose="batch")
    return platform.client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


def answered(platform, batch):
    """Lines answered so far; 0 while the API is starting again."""
    import openai

    try:
        return platform.client.batches.retrieve(batch.id).request_counts.completed
    except openai.APIError:
        return 0


def test_a_batch_from_the_command_line(echoes, tmp_path):
    def argosy(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "argosy", "batch", *words],
            env={**os.environ, "ARGOSY_URL": echoes.url, "ARGOSY_API_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        return done

    file, saved = tmp_path / "lines.jsonl", tmp_path / "answers.jsonl"
    file.write_bytes(content(5))
    done = argosy("create", str(file), "--follow")
    assert "completed  5 of 5 lines" in done.stderr
    batch_id = done.stdout.split()[0]
    argosy("results", batch_id, "--output", str(saved))
    assert len(saved.read_text().splitlines()) == 5
    assert "No line ended with an error" in argosy("results", batch_id, "--errors").stderr
    assert json.loads(argosy("list", "--json").stdout)[0]["id"] == batch_id
    assert json.loads(argosy("status", batch_id, "--json").stdout)["request_counts"]["completed"] == 5
    assert "cannot be cancelled" in argosy("cancel", batch_id, code=1).stderr
    file.write_text("not JSON")
    assert "first line" in argosy("create", str(file), code=1).stderr


def test_api_and_worker_killed_in_the_midst_of_it(echoes):
    batch = create(echoes, LINES)
    until(lambda: answered(echoes, batch) >= 30, 30, "the batch did not begin")
    echoes.kill("argosy api")
    until(lambda: answered(echoes, batch) >= 150, 30, "the batch did not go on")
    echoes.kill("argosy worker")

    until(lambda: answered(echoes, batch) == LINES, 60, "the batch did not go on")
    batch = until(lambda: ended(echoes, batch), 20, "the batch did not end")
    assert (batch.status, batch.error_file_id) == ("completed", None)
    rows = [json.loads(line) for line in echoes.client.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(row["custom_id"] for row in rows) == sorted(f"q{n}" for n in range(LINES))
    for row in rows:
        said = row["response"]["body"]["choices"][0]["message"]["content"]
        assert said == f"line {row['custom_id'][1:]} delay 20ms"

    usage = [row for row in echoes.usage_rows() if row["batch_id"] == batch.id]
    assert {row["id"] for row in usage} == {row["response"]["request_id"] for row in rows}
    assert len(usage) == LINES
    assert {(row["outcome"], row["discount"], row["estimated"]) for row in usage} == {("complete", 50, False)}
    assert batch.usage.output_tokens == sum(row["usage"]["completion_tokens"] for row in usage)


def ended(platform, batch):
    batch = platform.client.batches.retrieve(batch.id)
    return batch if batch.status in ("completed", "failed", "expired", "cancelled") else None
