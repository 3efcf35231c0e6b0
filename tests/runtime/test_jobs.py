import subprocess
import sys
import threading
import time

import pytest

from argosy.core import Settings
from argosy.runtime.jobs import Jobs
from argosy.runtime.shifts import Interrupted

KILLED_IN_THE_SECOND_STAGE = """
import os, sys, time
from pathlib import Path
from argosy.core import Settings
from argosy.runtime.jobs import Jobs
jobs = Jobs(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
def first(_): return True
def second(_): os.kill(os.getpid(), 9)
jobs.register("kind", [first, second])
jobs.launch()
jobs.ensure("kind", "job")
time.sleep(30)
"""


@pytest.fixture
def jobs(database, home):
    home.mkdir(exist_ok=True)
    made = Jobs(Settings(home=home, database_url=database.url))
    yield made
    made.stop()


def stage(name, calls, *, answer=True):
    def run(job_id):
        calls.append((name, job_id))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    run.__name__ = name
    return run


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stages_run_in_order_and_a_job_runs_once_however_often_it_is_asked_for(jobs):
    calls, done = [], threading.Event()
    jobs.register("kind", [stage("one", calls), stage("two", calls), lambda _: done.wait()])
    jobs.launch()
    for _ in range(3):
        jobs.ensure("kind", "job")
    until(lambda: len(calls) >= 2)
    done.set()
    assert calls == [("one", "job"), ("two", "job")]


def test_a_stage_that_says_no_is_the_last(jobs):
    calls = []
    jobs.register("kind", [stage("one", calls, answer=False), stage("two", calls)])
    jobs.launch()
    jobs.ensure("kind", "job")
    jobs.ensure("kind", "other")
    until(lambda: len(calls) == 2)
    time.sleep(0.1)
    assert {name for name, _ in calls} == {"one"}


def test_a_job_that_ended_badly_starts_afresh_when_asked_for(jobs):
    calls = []
    jobs.register("kind", [stage("one", calls), stage("two", calls, answer=RuntimeError("a bug"))])
    jobs.launch()

    def asked_for_again():
        jobs.ensure("kind", "job")
        return calls.count(("one", "job")) >= 2

    until(asked_for_again)


def test_after_a_kill_a_job_goes_on_with_the_stage_that_was_cut_short(jobs, database, home):
    command = [sys.executable, "-c", KILLED_IN_THE_SECOND_STAGE, str(home), database.url]
    assert subprocess.run(command, check=False).returncode == -9
    calls = []
    jobs.register("kind", [stage("first", calls), stage("second", calls)])
    jobs.launch()
    jobs.ensure("kind", "job")
    until(lambda: calls)
    assert calls == [("second", "job")]


def test_an_interrupted_job_stays_as_it_is_until_the_next_launch(database, home):
    home.mkdir(exist_ok=True)
    settings, calls = Settings(home=home, database_url=database.url), []
    for answer in (Interrupted(), True):
        jobs = Jobs(settings)
        jobs.register("kind", [stage("one", calls, answer=answer)])
        jobs.launch()
        before = len(calls)
        jobs.ensure("kind", "job")
        until(lambda seen=before: len(calls) > seen)
        jobs.stop()
    assert calls == [("one", "job"), ("one", "job")]
