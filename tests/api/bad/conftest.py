"""One server for each file of bad input, which must be well after each test."""

import asyncio
import json
import logging

import pytest
import pytest_asyncio
import uvloop
from tests.api.bad.requests import CHAT, SECRET
from tests.api.raw import post, wire
from tests.gateway.harness import QUESTION, running_api

from argosy.api import DoorLimits
from argosy.gateway import Deadlines

LIMITS = DoorLimits(head_bytes=16 << 10, headers=60, request_s=0.5, body_bytes_per_s=1 << 20, reader_s=0.4)


@pytest.fixture(scope="module")
def event_loop_policy():
    """The loop that the platform runs on."""
    return uvloop.EventLoopPolicy()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory):
    """One server for all of it, so that what one test leaves behind is the next one's trouble."""
    deadlines = Deadlines(connect=0.5, silence=3, replica=0.5, poll=0.01)
    async with running_api(tmp_path_factory.mktemp("home"), deadlines, LIMITS) as running:
        yield running


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _is_well_afterwards(api, caplog, capsys):
    """No request in flight, no task, intent or connection left, nothing told to a log, and the next one answered."""
    caplog.set_level(logging.DEBUG, "argosy")
    tasks = len(_tasks())
    yield
    api.engine.plan.clear()
    api.engine.pause_s = 0
    async with wire(api.url) as line:
        await line.send(post(CHAT, api.secret, json.dumps({"model": "tiny", "messages": QUESTION}).encode()))
        assert (await line.said()).status == 200
    for _ in range(300):
        if not (api.metrics.in_flight or api.server.server_state.connections or len(_tasks()) > tasks):
            break
        await asyncio.sleep(0.01)
    assert api.metrics.in_flight == 0
    assert not api.server.server_state.connections
    assert len(_tasks()) <= tasks
    api.journal.shipped(len(api.events()))
    assert api.journal.open_requests == 0
    assert all(health.in_flight == 0 for health in api.gateway._dispatch.health._known.values())
    told = caplog.text + "".join(capsys.readouterr())
    assert SECRET not in told
    assert "Traceback" not in told


def _tasks():
    """All but those of the test's engine, one for each connection that the gateway keeps to it."""
    return [task for task in asyncio.all_tasks() if "aiohttp" not in task.get_coro().cr_code.co_filename]
