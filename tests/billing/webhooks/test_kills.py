"""Whoever is killed, and whenever: each message arrives at least once, under the id that was committed with it."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.billing.conftest import Card, Meter
from tests.billing.webhooks.receiver import Post, receiving, say

from argosy.billing import Poster, UsageEvent, funds
from argosy.core import Unavailable
from argosy.identity import default_project
from argosy.runtime import Database

CLAIM_S = 61
"""After so long a message whose deliverer died is anybody's."""


@pytest.fixture
def post(database: Database) -> Post:
    return Post(database)


@pytest.fixture
def card() -> Card:
    """One micro-unit is one token of a prompt."""
    return Card(input=10**6)


@contextmanager
def delivering(database: Database, ahead_s: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that delivers what is due when its clock is ``ahead_s`` further; killed at the end, if not before."""
    command = [sys.executable, "-m", "tests.billing.webhooks.deliver", database.url, str(ahead_s)]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(look: Callable[[], Any]) -> None:
    """Wait for it, for half a minute."""
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_delivered(post: Post) -> bool:
    return {one.status for one in post.deliveries()} == {"delivered"}


def test_killed_once_usage_is_posted_and_before_anything_is_told(post: Post, meter: Meter, tmp_path: Path) -> None:
    whose = post.organization_id
    with post.database.write() as tx:
        project = default_project(tx)
        terms = {"period": "month", "hard": True, "currency": "USD", "allowed": 100, "thresholds": (80,)}
        funds.put_budget(tx, whose, "organization", whose, **terms)  # type: ignore[arg-type]
    event = meter.event("req_1", project=project, at=time.time(), prompt_tokens=90)
    with receiving(say(200)) as (url, got):
        post.add(url)
        new = [post_and_kill(post.database, tmp_path, event, after_s) for after_s in (0.0, 0.002, 0.01, None, None)]
        assert sum(new) <= 1, "killed before it could say so, it may have posted it"
        (waiting,) = post.deliveries()
        assert (waiting.status, got) == ("pending", [])
        with delivering(post.database):
            until(lambda: all_delivered(post))
    ((headers, body),) = got
    assert headers["webhook-id"] == waiting.id
    assert (json.loads(body)["type"], json.loads(body)["data"]["used"]) == ("budget.threshold_reached", 90)


def post_and_kill(database: Database, folder: Path, event: UsageEvent, after_s: float | None) -> int:
    """Have it posted by a process that is killed so long after it was asked, or at once when it has answered; says what
    it said.
    """
    poster = Poster(database.url, folder / "rejected", folder / "poster.log")
    try:
        if after_s is not None:
            threading.Timer(after_s, os.kill, (poster.pid, signal.SIGKILL)).start()
        with suppress(Unavailable):
            return poster.post([event])
        return 0
    finally:
        with suppress(ProcessLookupError):
            os.kill(poster.pid, signal.SIGKILL)
        poster.stop()


def test_killed_while_the_receiver_thinks(post: Post) -> None:
    arrived, held = threading.Event(), threading.Event()

    def think(handler: Any) -> None:
        if not arrived.is_set():
            arrived.set()
            held.wait(30)
            return
        say(200)(handler)

    with receiving(think) as (url, got):
        post.add(url)
        post.tell()
        with delivering(post.database) as process:
            assert arrived.wait(30)
            process.kill()
            process.wait()
        held.set()
        (left,) = post.deliveries()
        assert (left.status, left.attempts) == ("pending", 1)
        with delivering(post.database, CLAIM_S):
            until(lambda: all_delivered(post))
    (sent,) = post.deliveries()
    assert (sent.attempts, sent.answered) == (2, 200)
    assert [headers["webhook-id"] for headers, _ in got] == [sent.id] * 2
    assert len({body for _, body in got}) == 1


def test_killed_when_the_receiver_has_answered(post: Post) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def answer_and_kill(handler: Any) -> None:
        say(200)(handler)
        handler.wfile.flush()
        processes[-1].kill()

    with receiving(answer_and_kill) as (url, got):
        post.add(url)
        post.tell()
        for turn in range(2):
            with delivering(post.database, turn * CLAIM_S) as process:
                processes.append(process)
                if not all_delivered(post):
                    process.wait(30)
        post.clock.at += 2 * CLAIM_S
        while post.deliverer.deliver_due():
            pass
    (sent,) = post.deliveries()
    assert sent.status == "delivered"
    assert {headers["webhook-id"] for headers, _ in got} == {sent.id}


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment(post: Post, seed: int) -> None:
    chance, rough = random.Random(seed), True

    def answer(handler: Any) -> None:
        time.sleep(chance.uniform(0, 0.05))
        say(chance.choice([200, 200, 500]) if rough else 200)(handler)

    with receiving(answer) as (url, got):
        for _ in range(3):
            post.add(url)
        for number in range(8):
            post.tell(number)
        for turn in range(4):
            with delivering(post.database, turn * CLAIM_S):
                begun, before = time.monotonic(), len(got)
                while len(got) == before and time.monotonic() < begun + 3:  # perhaps nothing is due in this turn
                    time.sleep(0.02)
                time.sleep(chance.uniform(0, 0.4))
        rough = False
        post.clock.at += 3_600
        while post.deliverer.deliver_due():
            pass
    sent = {one.id for one in post.deliveries()}
    assert len(sent) == 24
    assert all_delivered(post)
    assert {headers["webhook-id"] for headers, _ in got} == sent
