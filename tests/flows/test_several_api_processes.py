"""API processes that share one port: all of them serve, and when one is killed the others go on."""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from tests.flows.platform import KEY, RunningPlatform, until


@pytest.fixture
def shared_port(tmp_path, monkeypatch):
    monkeypatch.setenv("ARGOSY_API_PROCESSES", "2")
    running = RunningPlatform(tmp_path / "home", "echo")
    running.wait_for_model("echo")
    yield running
    running.stop()


def ask(url, number):
    """One question on a connection of its own."""
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=30) as client:
        messages = [{"role": "user", "content": f"question {number}"}]
        return client.chat.completions.create(model="echo", messages=messages).choices[0].message.content


def served(platform):
    """Completions by log, one of each process."""
    logs = sorted((platform.home / "logs").glob("api*.log"))
    return [len(re.findall(r'"event":"request".*"status":200', log.read_text())) for log in logs]


def test_both_serve_and_one_that_is_killed_is_missed_by_nobody_who_comes_after(shared_port):
    assert len([one for one in shared_port.everyone() if "api" in one.cmdline()]) == 2
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: ask(shared_port.url, n), range(80))) == [f"question {n}" for n in range(80)]
    until(lambda: sum(served(shared_port)) == 80, 10, "the logs are not whole")
    assert min(served(shared_port)) >= 1
    shared_port.kill("argosy api")
    for number in range(20):
        with contextlib.suppress(openai.APIConnectionError):  # accepted by the one that was just killed
            assert ask(shared_port.url, number) == f"question {number}"
    assert ask(shared_port.url, 99) == "question 99"
    rows = until(lambda: (rows := shared_port.usage_rows()) and len(rows) >= 100 and rows, 15, "usage was lost")
    assert len({row["id"] for row in rows}) == len(rows)
