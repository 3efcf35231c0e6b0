"""A deployment changes under load: versions, going back, more and fewer replicas; nobody notices."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.core import Conflict, Invalid, NotFound
from argosy.serving import deploy, list_versions, roll_back, routes
from argosy.serving.preparing import Prepared
from argosy.serving.versions import Spec

# Attributes of the fixture in conftest.py, which cannot be imported by name.
Platform = Any


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> dict[str | None, str]:
    """Echo engines of a context length by quantisation, so that versions can be told apart; or why one fails."""
    broken: dict[str | None, str] = {}

    def prepare(model: str, spec: Spec, *_: object) -> Prepared:
        if spec.quantisation in broken:
            raise Invalid(broken[spec.quantisation], code="broken")
        lengths = {None: 8192, "Q8_0": 4096, "Q4_0": 2048}
        return Prepared("", lengths[spec.quantisation], {"quantisation": spec.quantisation or "Q4_1"}, 1)

    monkeypatch.setattr("argosy.serving.preparing.prepare", prepare)
    return broken


def want(platform: Platform, quantisation: str, **more: Any) -> int:
    """Ask for another version, on the echo engine; returns its number."""
    from argosy.serving.store import want_deployment

    form = None if quantisation == "best" else quantisation
    with platform.database.write() as tx:
        return want_deployment(tx, platform.project, platform.base, Spec("echo", form), **more).version


def serving(platform: Platform) -> list[int]:
    """The context lengths of all replicas that take requests."""
    with platform.database.read() as tx:
        return sorted(route.context_length for route in routes(tx) if route.model == platform.base)


class Load:
    """Callers who ask all the time, by whatever route there is, and note what goes wrong."""

    def __init__(self, platform: Platform, callers: int = 4) -> None:
        self._platform, self._stop = platform, threading.Event()
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._stop.is_set():
            with self._platform.database.read() as tx:
                found = [route for route in routes(tx) if route.model == self._platform.base]
            if not found:
                self.answers["no route"] += 1
                continue
            body = {"messages": [{"role": "user", "content": "delay 20ms a b c"}]}
            request = urllib.request.Request(
                f"{found[-1].url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    said = json.load(response)["choices"][0]["message"]["content"]
                self.answers["right" if said == "delay 20ms a b c" else "wrong"] += 1
            except OSError:
                self.answers["failed"] += 1

    def end(self) -> Counter[str]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.answers


@pytest.fixture
def load(platform: Platform) -> Iterator[Load]:
    platform.deploy()
    platform.until(lambda: platform.routes())
    made = Load(platform)
    yield made
    made.end()


def test_another_version_takes_over_and_an_earlier_one_comes_back_without_a_lost_request(
    platform: Platform, load: Load
) -> None:
    assert want(platform, "Q8_0") == 2
    platform.until(lambda: serving(platform) == [4096] and len(platform.replicas()) == 1)
    with platform.database.write() as tx:
        assert roll_back(tx, platform.deployment().id).version == 1
    platform.until(lambda: serving(platform) == [8192] and len(platform.replicas()) == 1)
    answers = load.end()
    assert answers["right"] > 20
    assert set(answers) == {"right"}
    assert platform.state() == "ready"


def test_replicas_share_the_requests_and_can_be_fewer_again(platform: Platform, load: Load) -> None:
    want(platform, "best", replicas=3)
    platform.until(lambda: serving(platform) == [8192] * 3 and len(platform.replicas()) == 3)
    platform.attach("ft:a")  # all three are replaced, one after the other
    platform.until(lambda: [len(row.adapters) for row in platform.replicas()] == [1, 1, 1])
    want(platform, "best", replicas=1)
    platform.until(lambda: len(platform.replicas()) == 1)
    assert set(load.end()) == {"right"}


def test_replicas_stay_within_the_memory_of_all_engines(platform: Platform) -> None:
    platform.reconciler.budget_bytes = 2  # each is said to take one byte
    platform.deploy(replicas=3)
    platform.until(lambda: len(serving(platform)) == 2)
    for _ in range(10):
        platform.reconciler.tick()
        time.sleep(0.05)
    assert (len(platform.replicas()), platform.state()) == (2, "ready")


def test_one_of_several_replicas_that_dies_is_replaced_while_the_others_answer(platform: Platform) -> None:
    platform.deploy(replicas=2)
    platform.until(lambda: len(serving(platform)) == 2)
    os.kill(platform.replicas()[0].pid, signal.SIGKILL)
    platform.until(lambda: len(serving(platform)) == 1)
    assert platform.ask(platform.base, "hi") == "hi"
    platform.until(lambda: len(serving(platform)) == 2)
    assert platform.state() == "ready"


def test_a_version_that_cannot_be_served_is_given_up_and_the_one_before_goes_on(
    platform: Platform, prepared: dict[str | None, str]
) -> None:
    platform.deploy()
    platform.until(lambda: platform.routes())
    first = platform.routes()[platform.base].replica_id
    prepared["Q4_0"] = "The disk is full."
    assert want(platform, "Q4_0") == 2
    platform.until(lambda: platform.deployment().version == 1)
    found = platform.deployment()
    assert (found.state, found.detail["refused"]) == ("ready", {"version": 2, "error": "The disk is full."})
    assert platform.routes()[platform.base].replica_id == first
    with platform.database.read() as tx:
        assert [one.error for one in list_versions(tx, found.id)] == [None, "The disk is full."]
    prepared.clear()
    assert want(platform, "Q8_0") == 3
    platform.until(lambda: serving(platform) == [4096])
    assert "refused" not in platform.deployment().detail
    with platform.database.write() as tx:
        assert roll_back(tx, found.id).version == 1  # not to the one that failed


def test_a_version_whose_engine_never_starts_is_given_up_too(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argosy.serving.keeper._BACKOFF_S", (0.0,))
    platform.deploy()
    platform.until(lambda: platform.routes())
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    want(platform, "Q8_0")
    platform.until(lambda: platform.deployment().version == 1)
    assert "6 times in a row" in platform.deployment().detail["refused"]["error"]
    assert serving(platform) == [8192]


def test_while_a_version_is_made_ready_it_is_said_how_far_it_is(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.deploy()
    platform.until(lambda: platform.routes())
    waits = threading.Event()

    def prepare(model: str, spec: Spec, home: Path, environment: object, tell: Any) -> Prepared:
        tell("fitting", "Measuring Q8_0")
        waits.wait(20)
        return Prepared("", 4096, {}, 1)

    monkeypatch.setattr("argosy.serving.preparing.prepare", prepare)
    want(platform, "Q8_0")
    platform.until(lambda: "rollout" in platform.deployment().detail)
    time.sleep(0.1)
    platform.until(lambda: platform.deployment().detail["rollout"]["state"] == "fitting")
    assert platform.deployment().detail["rollout"] == {"version": 2, "state": "fitting", "says": "Measuring Q8_0"}
    assert (platform.state(), serving(platform)) == ("ready", [8192])
    waits.set()
    platform.until(lambda: serving(platform) == [4096])
    assert "rollout" not in platform.deployment().detail


def test_there_is_nothing_to_go_back_to_at_first_and_a_number_must_be_known(platform: Platform) -> None:
    made = platform.deploy()
    with platform.database.write() as tx, pytest.raises(Conflict, match="no version before 1"):
        roll_back(tx, made)
    with platform.database.write() as tx, pytest.raises(NotFound, match="has no version 7"):
        roll_back(tx, made, 7)


def test_the_same_wish_twice_is_one_version(platform: Platform) -> None:
    platform.deploy()
    assert want(platform, "Q8_0") == 2
    assert want(platform, "Q8_0") == 2
    with platform.database.read() as tx:
        assert [one.spec.quantisation for one in list_versions(tx, platform.deployment().id)] == [None, "Q8_0"]


def test_more_replicas_do_not_change_the_quantisation_that_was_asked_for(platform: Platform) -> None:
    with platform.database.write() as tx:
        deploy(tx, platform.project, platform.base, "llama_cpp", quantisation="q8_0")
        found = deploy(tx, platform.project, platform.base, "llama_cpp", replicas=2)
        assert (found.spec.quantisation, found.replicas, found.version) == ("Q8_0", 2, 1)
        assert deploy(tx, platform.project, platform.base, "llama_cpp", quantisation="best").spec.quantisation is None
        with pytest.raises(Invalid, match=r"can be served as Q4_1, Q4_0.*not as 'Q3_K'"):
            deploy(tx, platform.project, platform.base, "llama_cpp", quantisation="Q3_K")
