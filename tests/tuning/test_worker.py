import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.tuning.fake_trainer import Misdeed
from tests.tuning.test_story import ONE_DATABASE, owed, steps
from tests.worker import wait_until

from argosy import billing
from argosy.runtime import seconds_since_beat

ROOT = Path(__file__).parents[2]


@pytest.fixture
def process(harbour):
    """Starts workers as processes of their own; ends those that are left."""
    started = []

    def start():
        command = [sys.executable, "-m", "tests.tuning.worker_process", str(harbour.settings.home)]
        started.append(subprocess.Popen([*command, harbour.settings.database_url], cwd=ROOT))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


def trainer_of(harbour, job_id):
    return int((harbour.settings.home / "tuning" / job_id / "trainer.pid").read_text().split()[0])


def test_a_killed_worker_takes_its_trainer_along_and_the_next_one_goes_on(harbour, process):
    job_id = harbour.create(seed=Misdeed.SLOW).id
    worker = process()
    wait_until(lambda: steps(harbour, job_id), lambda seen: len(seen) >= 7)
    worker.kill()
    worker.wait()
    pid = trainer_of(harbour, job_id)
    wait_until(lambda: harbour.is_alive(pid), lambda alive: not alive)
    assert harbour.job(job_id).status == "running"
    process()
    assert harbour.end_of(job_id).status == "succeeded"
    assert steps(harbour, job_id) == list(range(1, 21)), "none lost, none twice"
    assert any("resumed from step 5" in e.message for e in harbour.events(job_id))
    price = harbour.job(job_id).price_version
    with harbour.database.read() as tx:
        rate = next(p.training for p in billing.price_history(tx) if p.id == price)
    assert owed(harbour) == billing_of(2000, rate), "charged once"


def billing_of(tokens, rate):
    return (tokens * rate + 500_000) // 1_000_000


@ONE_DATABASE
def test_sigterm_stops_within_three_seconds_and_the_job_goes_on_at_the_next_start(harbour, process):
    job_id = harbour.create(seed=Misdeed.SLOW).id
    worker = process()
    wait_until(lambda: steps(harbour, job_id), lambda seen: len(seen) >= 6)
    clock = time.monotonic()
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(10) == 0
    assert time.monotonic() - clock < 3
    assert not harbour.is_alive(trainer_of(harbour, job_id))
    assert harbour.job(job_id).status == "running"
    process()
    assert harbour.end_of(job_id).status == "succeeded"
    assert steps(harbour, job_id) == list(range(1, 21))


@ONE_DATABASE
def test_a_job_that_was_created_while_no_worker_ran_is_found(harbour):
    job_id = harbour.create().id
    harbour.start_worker()
    assert harbour.end_of(job_id).status == "succeeded"


def test_a_job_cancelled_while_no_worker_ran_never_starts(harbour):
    job_id = harbour.create().id
    harbour.cancel(job_id)
    harbour.start_worker()
    assert harbour.end_of(harbour.create().id).status == "succeeded"
    assert [e.message for e in harbour.events(job_id)][-1] == "The job was cancelled"


def test_the_worker_gives_signs_of_life(harbour):
    harbour.start_worker()

    def silent_s():
        with harbour.database.read() as tx:
            return seconds_since_beat(tx, "worker")

    assert wait_until(silent_s, lambda seconds: seconds is not None) < 5


@ONE_DATABASE
def test_a_chore_that_breaks_is_started_again(harbour):
    calls = []

    def chore(stop):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("broken")
        stop.wait()

    harbour.start_worker(chores={"chore": chore})
    wait_until(lambda: len(calls), lambda count: count == 2)
    assert harbour.stop_worker() < 3


@ONE_DATABASE
def test_a_worker_that_stops_is_quick_about_it(harbour):
    harbour.start_worker()
    job_id = harbour.create(seed=Misdeed.SLOW).id
    harbour.wait_for(job_id, "running")
    assert harbour.stop_worker() < 3
