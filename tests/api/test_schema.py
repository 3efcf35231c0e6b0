"""Every operation of the OpenAPI document, asked with what its schema allows and what it does not: never a 5xx."""

import asyncio
import contextlib
import threading

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from tests.gateway.harness import running_api

EXAMPLES = 2
"""For each operation. Raise it to hunt."""
_BUSY = {502, 503}
"""What is true of a platform without a worker, engines or a network."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An API in a thread of its own."""
    ready, stop, found = threading.Event(), threading.Event(), {}

    async def serve():
        async with running_api(tmp_path_factory.mktemp("home")) as api:
            found["api"] = api
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    yield found["api"]
    stop.set()
    thread.join()


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_is_a_fault_of_ours(served, mode):
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    for found in schema.get_all_operations():
        ask(served, found.ok(), mode)


def ask(served, operation, mode):
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        answer = case.call(headers={"authorization": f"Bearer {served.secret}"}, timeout=10)
        assert answer.status_code < 500 or answer.status_code in _BUSY, (operation.label, answer.text)
        if answer.status_code >= 400:
            members = (
                {"message", "type"}
                if operation.path.startswith("/v1/messages")
                else {"message", "type", "param", "code"}
            )
            assert set(answer.json()["error"]) >= members, operation.label
        assert "Traceback" not in answer.text

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with a path without parameters
        check()
