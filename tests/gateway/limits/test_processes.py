"""Real processes on one database, one of them killed: together they let through what the limit says."""

import os
import signal
import subprocess
import sys
import time

from tests.fresh import fresh_database

from argosy.gateway.limits import put_limit
from argosy.identity import bootstrap

PROCESS = """
import asyncio, json, sys
from argosy.core import RateLimited
from argosy.gateway.limits import RateLimits
from argosy.gateway.reading import parse
from argosy.gateway.requests import Kind
from argosy.identity import Caller
from argosy.runtime import Database

url, project_id, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
request = parse(Kind.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":10}')

async def main():
    limits = RateLimits(Database(url))
    limits.refresh()
    caller, loop = Caller("key", project_id, "org", "argosy", frozenset()), asyncio.get_running_loop()
    print("ready", flush=True)
    sys.stdin.readline()
    until, passed = loop.time() + seconds, 0

    async def ask():
        nonlocal passed
        while loop.time() < until:
            try:
                hold = await limits.reserve(caller, request)
            except RateLimited:
                await asyncio.sleep(0.01)
            else:
                passed += 1
                print("passed", flush=True)
                await asyncio.sleep(0.001)
                hold.settle(10, True)

    await asyncio.gather(*(ask() for _ in range(16)))
    await limits.stop()

asyncio.run(main())
"""


def test_real_processes_let_no_more_through_than_the_limit_when_one_is_killed(home):
    database = fresh_database(home / "argosy.sqlite")
    with database.write() as tx:
        project_id = bootstrap(tx).project_id
        put_limit(tx, project_id, "project", "", 300, None)
    command = [sys.executable, "-c", PROCESS, database.url, project_id, "1.5"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        time.sleep(0.3)
        os.kill(processes[0].pid, signal.SIGKILL)
        passed = [process.communicate(timeout=30)[0].count("passed") for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sum(passed) <= 300
    assert sum(passed) >= 230, "no more is missing than what the killed one had in hand"
    assert [process.returncode for process in processes] == [-signal.SIGKILL, 0, 0]
