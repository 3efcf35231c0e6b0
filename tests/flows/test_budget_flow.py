"""A hard budget on a whole platform with four API processes: never overdrawn, never refusing money that is there."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.flows.platform import KEY, RunningPlatform, until

from argosy.core import charge, format_money

BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "word " * 40}], "max_tokens": 40}).encode()
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("ARGOSY_API_PROCESSES", "4")
    running = RunningPlatform(tmp_path / "home")
    prices = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}
    running.client.post("/deployments", body={"model": "echo", "prices": prices}, cast_to=object)
    running.wait_for_model("echo")
    yield running
    running.stop()


def ask(platform):
    """One question on a connection of its own: its status, and the error's code if there is one."""
    try:
        with httpx.Client(base_url=platform.url, headers=HEADERS, timeout=30) as http:
            answer = http.post("/v1/chat/completions", content=BODY)
    except httpx.TransportError:
        return "cut"
    return str(answer.status_code) if answer.status_code == 200 else answer.json()["error"]["code"]


def budgets(platform, *arguments):
    environment = {**os.environ, "ARGOSY_URL": platform.url, "ARGOSY_API_KEY": KEY}
    command = [sys.executable, "-m", "argosy", "budgets", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def worst(platform):
    """What one such request may cost, by the published prices, once its 40 words were counted."""
    (price,) = (price for price in platform.get("/prices")["data"] if price["model"] == "echo")
    return charge(40, price["input"]) + charge(40, price["output"]) + 2


def test_exactly_the_affordable_calls_pass_and_a_kill_leaves_nothing_held(platform):
    assert ask(platform) == "200"
    [first] = until(platform.usage_rows, 10, "no usage row")
    cost, most = first["total"], worst(platform)
    assert 0 < cost < most
    allowed = 49 * cost + most
    [budget] = budgets(platform, "set", format_money(allowed, "USD"), "--organization", "--once")
    until(lambda: ask(platform) == "200" and budgets(platform, "list")[0]["spent"], 5, "it is not kept to")
    asked = budgets(platform, "list")[0]["spent"] // cost

    with ThreadPoolExecutor(40) as pool:
        told = Counter(pool.map(lambda _: ask(platform), range(200)))
    assert told == {"200": 50 - asked, "insufficient_quota": 150 + asked}
    left = until(lambda: (one := budgets(platform, "list")[0]) and one["held"] == 0 and one, 10, "something is held")
    assert left["spent"] == 50 * cost
    assert 0 <= left["remaining"] < most
    assert sum(row["total"] for row in platform.usage_rows()) == 51 * cost

    # Killed while it holds: what it had is free again, to the last micro-unit.
    budgets(platform, "set", format_money(allowed + 30 * cost, "USD"), "--organization", "--once")
    with ThreadPoolExecutor(8) as pool:
        going = [pool.submit(ask, platform) for _ in range(20)]
        platform.kill("argosy api")
        passed = Counter(one.result() for one in going)
    assert set(passed) <= {"200", "cut"}
    left = until(lambda: (one := budgets(platform, "list")[0]) and one["held"] == 0 and one, 20, "something is held")
    assert left["remaining"] == allowed + 30 * cost - left["spent"]
    affordable = (left["remaining"] - most) // cost + 1
    with ThreadPoolExecutor(8) as pool:
        told = Counter(pool.map(lambda _: ask(platform), range(affordable + 10)))
    assert told == {"200": affordable, "insufficient_quota": 10}
    assert budgets(platform, "remove", budget["id"])["deleted"]
    until(lambda: ask(platform) == "200", 5, "it is still refused")
