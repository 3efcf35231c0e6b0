"""Capture on a whole platform: from live traffic to a file for training, through the API processes' deaths."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import psutil
import pytest
from tests.flows.platform import KEY, RunningPlatform, alive, until

from argosy.runtime import Database
from argosy.runtime.vault import open_vault


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("ARGOSY_API_PROCESSES", "2")
    running = RunningPlatform(tmp_path / "home", "echo")
    running.wait_for_model("echo")
    yield running
    running.stop()


def argosy(platform, *arguments):
    environment = {**os.environ, "ARGOSY_URL": platform.url, "ARGOSY_API_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-m", "argosy", "capture", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(platform, number):
    """One question on a connection of its own; its id if the answer came whole."""
    body = {"model": "echo", "messages": [{"role": "user", "content": f"question {number} of bob@corp.com"}]}
    try:
        with httpx.Client(
            base_url=f"{platform.url}/v1", headers={"authorization": f"Bearer {KEY}"}, timeout=30
        ) as http:
            answer = http.post("/chat/completions", json=body)
    except httpx.TransportError:
        return None
    return answer.headers["x-request-id"] if answer.status_code == 200 else None


def redactors(platform):
    return [one for one in platform.everyone() if "argosy.redaction.worker" in " ".join(one.cmdline())]


def listed(platform):
    return platform.get("/captures?limit=100")["data"]


def test_traffic_becomes_training_data_and_a_kill_loses_no_usage(platform, tmp_path):
    argosy(platform, "on", "--days", "3")
    until(lambda: ask(platform, 0) and listed(platform), 20, "nothing was captured")
    with ThreadPoolExecutor(4) as pool:
        whole = [one for one in pool.map(lambda n: ask(platform, n), range(30)) if one]
    assert len(whole) == 30
    until(lambda: {row["id"] for row in listed(platform)} >= set(whole), 20, "not all were captured")
    assert 1 <= len(redactors(platform)) <= 2

    with ThreadPoolExecutor(4) as pool:
        going = [pool.submit(ask, platform, n) for n in range(30, 70)]
        until(lambda: sum(one.done() for one in going) >= 10, 30, "nobody was answered")
        before = [one for one in platform.everyone() if "api" in one.cmdline()]
        orphans = {one: psutil.Process(one.pid).children() for one in before}
        before[0].kill()
        whole += [one.result() for one in going if one.result()]
    until(lambda: not any(map(alive, orphans[before[0]])), 10, "a redactor outlived its API process")
    rows = until(
        lambda: (rows := platform.usage_rows()) and {row["id"] for row in rows} >= set(whole) and rows,
        20,
        "usage was lost",
    )
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["id"] for row in listed(platform)} <= {row["id"] for row in rows}

    asked: list[str | None] = []  # a row is listed a moment after its answer: any of these will do

    def one_more():
        asked.append(ask(platform, 99))
        return next((row["id"] for row in listed(platform) if row["id"] in asked), None)

    after = until(one_more, 60, "nothing more was captured")
    assert openai.OpenAI(api_key=KEY, base_url=f"{platform.url}/v1").post(
        "/feedback", body={"request_id": after, "rating": "up", "correction": "better"}, cast_to=object
    )
    file = tmp_path / "train.jsonl"
    argosy(platform, "export", "-o", str(file))
    exported = [json.loads(line)["messages"] for line in file.read_text().splitlines()]
    assert len(exported) == platform.get("/capture")["rows"] >= 40
    assert all(row[0]["content"].endswith("of [email]") for row in exported)
    assert [row for row in exported if row[1]["content"] == "better"]
    with open(file, "rb") as opened:
        uploaded = platform.client.files.create(file=opened, purpose="fine-tune")
    assert platform.get(f"/files/{uploaded.id}/report")["valid"]
    argosy(platform, "delete", "--all")
    assert platform.get("/capture")["rows"] == 0


def test_the_worker_sweeps_what_is_old(platform):
    argosy(platform, "on", "--days", "1")
    until(lambda: ask(platform, 0) and listed(platform), 20, "nothing was captured")
    argosy(platform, "off")
    database = Database(f"sqlite:///{platform.home / 'argosy.sqlite'}")
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE captures SET expires_at = 1")
    platform.kill("argosy worker")  # its successor begins with a sweep

    def left():
        with database.read() as tx:
            return tx.exec_driver_sql("SELECT count(*) FROM captures").scalar()

    until(lambda: left() == 0, 90, "what is old is still there")
    database.close()


def test_what_is_sealed_opens_with_the_homes_key_alone(platform):
    argosy(platform, "on")
    until(lambda: ask(platform, 0) and listed(platform), 20, "nothing was captured")
    database = Database(f"sqlite:///{platform.home / 'argosy.sqlite'}")
    with database.read() as tx:
        row = tx.exec_driver_sql("SELECT id, project_id, sealed FROM captures").first()
    database.close()
    opened = open_vault(platform.home, {}).open(row.sealed, f"capture {row.project_id} {row.id}")
    assert "question 0 of [email]" in opened
    assert "bob@corp.com" not in opened
