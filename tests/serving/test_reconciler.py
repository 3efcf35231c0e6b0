"""The reconciler's whole life on echo engines: start, switch, drain, restart, fail, stop."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serving.tiny import write_adapter, write_model

from argosy.catalog import Provider, add_provider
from argosy.runtime import Blobs, Database
from argosy.runtime.processes import birth
from argosy.serving import Reconciler, ask_for, stop_deployment
from argosy.serving.preparing import Prepared
from argosy.serving.store import want_deployment
from argosy.serving.versions import PROVIDER, Spec

# Attributes of the fixture in conftest.py, which cannot be imported by name.
Platform = Any


def test_a_deployment_becomes_ready_and_answers(platform: Platform) -> None:
    platform.deploy()
    platform.until(lambda: platform.state() == "ready")
    assert platform.ask(platform.base, "heave ho") == "heave ho"
    (route,) = platform.routes().values()
    assert (route.project_id, route.adapter_index, route.adapter_count) == (None, None, 0)
    assert route.context_length == 8192


def test_a_new_adapter_is_attached_while_the_old_engine_finishes_its_request(platform: Platform) -> None:
    platform.deploy()
    platform.until(lambda: platform.routes())
    old = platform.routes()[platform.base]
    answers: list[str] = []
    slow = threading.Thread(target=lambda: answers.append(platform.ask(platform.base, "delay 700ms a b c d")))
    slow.start()
    time.sleep(0.3)
    platform.attach("ft:a")
    took = platform.until(lambda: "ft:a" in platform.routes())
    assert took < 3
    assert platform.ask("ft:a", "hi") == "[ft:a] hi"
    assert platform.ask(platform.base, "hi") == "hi"
    assert platform.routes()["ft:a"].project_id == platform.project
    platform.until(lambda: old.replica_id not in [row.id for row in platform.replicas()])
    slow.join()
    assert answers == ["delay 700ms a b c d"]


def test_the_old_engine_is_gone_once_drained(platform: Platform) -> None:
    platform.deploy()
    platform.until(lambda: platform.routes())
    old = platform.replicas()[0]
    platform.attach("ft:a")
    platform.until(lambda: "ft:a" in platform.routes())
    platform.until(lambda: len(platform.replicas()) == 1)
    assert birth(old.pid) is None


def test_a_killed_engine_is_replaced_within_two_seconds(platform: Platform) -> None:
    platform.deploy()
    platform.attach("ft:a")
    platform.until(lambda: "ft:a" in platform.routes())
    first = platform.routes()["ft:a"].replica_id
    os.kill(platform.replicas()[-1].pid, signal.SIGKILL)
    platform.until(lambda: not platform.routes())
    took = platform.until(lambda: "ft:a" in platform.routes())
    assert took < 2
    assert platform.routes()["ft:a"].replica_id != first


def test_an_engine_that_never_starts_fails_with_a_reason_and_a_next_step(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argosy.serving.keeper._BACKOFF_S", (0.0,))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    platform.deploy()
    platform.until(lambda: platform.state() == "failed")
    error = platform.deployment().error
    assert "6 times in a row" in error
    assert f"argosy deploy {platform.base}" in error
    monkeypatch.delenv("PYTHONHOME")
    platform.deploy()
    platform.until(lambda: platform.state() == "ready")


def test_stopping_drains_and_ends_the_engine_and_it_can_be_deployed_again(platform: Platform) -> None:
    deployment = platform.deploy()
    platform.until(lambda: platform.routes())
    pid = platform.replicas()[0].pid
    with platform.database.write() as tx:
        stop_deployment(tx, deployment)
    platform.until(lambda: platform.state() == "stopped")
    assert platform.routes() == {}
    assert birth(pid) is None
    assert platform.deploy() == deployment
    platform.until(lambda: platform.state() == "ready")


def test_an_adapter_whose_blob_is_gone_is_left_out_and_the_others_are_served(platform: Platform) -> None:
    platform.attach("ft:lost")
    platform.attach("ft:kept")
    digest = next(row.digest for row in _adapters(platform) if row.name == "ft:lost")
    platform.blobs.path(digest).unlink()
    platform.deploy()
    platform.until(lambda: "ft:kept" in platform.routes())
    assert "ft:lost" not in platform.routes()
    assert "gone" in platform.deployment().detail["left_out"]["ft:lost"]
    assert platform.ask("ft:kept", "hi") == "[ft:kept] hi"


def test_a_new_worker_clears_what_a_dead_one_left(platform: Platform, database: Database, blobs: Blobs) -> None:
    platform.deploy()
    platform.until(lambda: platform.routes())
    left = platform.replicas()[0]
    successor = Reconciler(platform.settings, database, blobs)
    successor.tick()
    assert left.id not in [row.id for row in platform.replicas()]
    assert birth(left.pid) is None
    successor.close()


def _adapters(platform: Platform) -> Any:
    from argosy.catalog import adapters_of

    with platform.database.read() as tx:
        return adapters_of(tx, platform.base)


@pytest.fixture
def tiny_weights(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real engine on the tiny model, without pulling or measuring."""
    folder = platform.home / "models"
    folder.mkdir(parents=True)
    model = write_model(folder / "tiny.gguf")
    monkeypatch.setattr("argosy.serving.preparing.prepare", lambda *_: Prepared(str(model), 256, {"file": str(model)}))


@pytest.mark.usefixtures("tiny_weights")
def test_an_adapter_that_the_engine_cannot_load_is_left_out_while_the_others_are_served(
    platform: Platform, tmp_path: Path
) -> None:
    platform.attach("ft:good", write_adapter(tmp_path / "good", 1).read_bytes())
    platform.deploy("llama_cpp")
    platform.until(lambda: "ft:good" in platform.routes())
    platform.attach("ft:bad", write_adapter(tmp_path / "bad", 2, width=32).read_bytes())
    platform.until(lambda: platform.deployment().detail.get("left_out"))
    assert "wrong base model" in platform.deployment().detail["left_out"]["ft:bad"]
    assert "ft:good" in platform.routes()
    platform.attach("ft:later", write_adapter(tmp_path / "later", 3).read_bytes())
    platform.until(lambda: "ft:later" in platform.routes())
    assert "ft:bad" not in platform.routes()
    answers = {platform.ask(name, "hi", max_tokens=8) for name in ("ft:good", "ft:later", platform.base)}
    assert len(answers) == 3


@pytest.mark.usefixtures("tiny_weights")
def test_a_start_with_one_bad_adapter_among_good_ones_serves_the_good_ones(platform: Platform, tmp_path: Path) -> None:
    for name, seed, width in (("ft:a", 1, 64), ("ft:bad", 2, 32), ("ft:c", 3, 64)):
        platform.attach(name, write_adapter(tmp_path / name, seed, width).read_bytes())
    platform.deploy("llama_cpp")
    platform.until(lambda: {"ft:a", "ft:c"} <= set(platform.routes()))
    assert set(platform.deployment().detail["left_out"]) == {"ft:bad"}


def test_a_hung_engine_is_replaced(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argosy.serving.pulse._SILENT_S_MAX", 0.5)
    monkeypatch.setattr("argosy.serving.pulse._ASK_EVERY_S", 0.1)
    platform.deploy()
    platform.until(lambda: platform.routes())
    first = platform.replicas()[0]
    os.kill(first.pid, signal.SIGSTOP)
    platform.until(lambda: platform.routes() and first.id not in [r.replica_id for r in platform.routes().values()])
    platform.until(lambda: birth(first.pid) is None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use is noticed at once."""
    monkeypatch.setattr("argosy.serving.pulse._ASK_EVERY_S", 0.05)
    monkeypatch.setattr("argosy.serving.keeper._BUSY_S", 0.2)


def sized(monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int]) -> None:
    """Echo engines that are said to take so many bytes."""
    monkeypatch.setattr(
        "argosy.serving.preparing.prepare", lambda model, *_: Prepared("", 8192, memory_bytes=sizes[model])
    )


def test_a_name_that_moves_to_a_provider_stops_its_own_engine(platform: Platform) -> None:
    platform.deploy(model="house")
    platform.until(lambda: "house" in platform.routes())
    with platform.database.write() as tx:
        add_provider(
            tx, Provider("prov_1", platform.project, "acme", "https://acme.example", "bearer", False, None, "", 0)
        )
        want_deployment(tx, platform.project, "house", Spec(PROVIDER, None, "acme", "grand"))
    platform.until(lambda: not platform.replicas())
    assert (platform.state("house"), platform.routes()["house"].url) == ("ready", "https://acme.example")


def passing(platform: Platform, seconds: float) -> None:
    """Let time go by."""
    until = time.monotonic() + seconds
    platform.until(lambda: time.monotonic() > until)


def wake(platform: Platform, model: str) -> float:
    """What the gateway does for a request that finds the model unloaded; the seconds until it answers."""
    began = time.monotonic()
    with platform.database.write() as tx:
        assert ask_for(tx, model)
    platform.until(lambda: model in platform.routes())
    return time.monotonic() - began


def test_an_unused_engine_is_unloaded_and_loaded_again_by_the_next_request(platform: Platform, quick: None) -> None:
    platform.deploy(idle_unload_s=1)
    platform.until(lambda: platform.routes())
    began = time.monotonic()
    while time.monotonic() - began < 2:  # it is in use: it stays
        platform.ask(platform.base, "hi")
        platform.reconciler.tick()
        time.sleep(0.05)
    assert platform.state() == "ready"
    platform.until(lambda: platform.state() == "idle" and not platform.replicas())
    assert wake(platform, platform.base) < 4
    assert platform.ask(platform.base, "hi") == "hi"
    assert platform.state() == "ready"


def test_a_request_that_runs_long_keeps_its_engine(platform: Platform, quick: None) -> None:
    platform.deploy(idle_unload_s=1)
    platform.until(lambda: platform.routes())
    answers: list[str] = []
    slow = threading.Thread(target=lambda: answers.append(platform.ask(platform.base, "delay 600ms a b c d")))
    slow.start()
    platform.until(lambda: answers)
    assert answers == ["delay 600ms a b c d"]
    assert platform.state() == "ready"


def test_the_engine_that_was_unused_for_longest_makes_room(
    platform: Platform, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized(monkeypatch, {"a": 40, "b": 40, "c": 40})
    platform.reconciler.budget_bytes = 100
    for model in "ab":
        platform.deploy(model=model)
        platform.until(lambda model=model: model in platform.routes())
    passing(platform, 0.3)
    platform.ask("a", "hi")
    passing(platform, 0.6)
    platform.deploy(model="c")
    platform.until(lambda: "c" in platform.routes())
    assert (platform.state("a"), platform.state("b"), platform.state("c")) == ("ready", "idle", "ready")
    wake(platform, "b")
    assert [platform.state(model) for model in "abc"].count("ready") == 2


def test_a_model_that_can_never_fit_fails_with_both_sizes(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    sized(monkeypatch, {"a": 2 * 2**30})
    platform.reconciler.budget_bytes = 2**30
    platform.deploy(model="a")
    platform.until(lambda: platform.state("a") == "failed")
    assert "needs 2.0 GiB" in platform.deployment("a").error
    assert "1.0 GiB together" in platform.deployment("a").error


def test_an_idle_model_stays_idle_when_the_worker_starts_again(
    platform: Platform, quick: None, database: Database, blobs: Blobs
) -> None:
    platform.deploy(idle_unload_s=1)
    platform.until(lambda: platform.state() == "idle" and not platform.replicas())
    platform.reconciler.close()
    platform.reconciler = Reconciler(platform.settings, database, blobs)
    for _ in range(10):
        platform.reconciler.tick()
        time.sleep(0.02)
    assert platform.state() == "idle"
    wake(platform, platform.base)
