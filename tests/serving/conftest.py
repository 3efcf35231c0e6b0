"""A reconciler on an echo engine: all of its life without weights."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.catalog import Lineage, register_adapter
from argosy.core import Settings
from argosy.identity import bootstrap
from argosy.runtime import Blobs, Database
from argosy.serving import (
    Deployment,
    Reconciler,
    ReplicaRow,
    Route,
    deploy,
    engine_request,
    find_deployment,
    list_deployments,
    list_replicas,
    routes,
)

BASE = "smollm2-135m-instruct"
LINEAGE = Lineage(BASE, "0" * 64, "1" * 64, "ftjob-1", "test", {})


class Platform:
    """A reconciler and what it stands on, with the verbs of the tests."""

    base = BASE

    def __init__(self, home: Path, database: Database, blobs: Blobs) -> None:
        self.home, self.database, self.blobs = home, database, blobs
        self.settings = Settings(home=home, database_url=database.url)
        with database.write() as tx:
            self.project = bootstrap(tx, None).project_id
        self.reconciler = Reconciler(self.settings, database, blobs)

    def until(self, condition: Callable[[], object], within_s: float = 20.0) -> float:
        """Tick until the condition holds; returns the seconds that it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, self.explain()
            self.reconciler.tick()
            time.sleep(0.02)
        return time.monotonic() - began

    def routes(self) -> dict[str, Route]:
        with self.database.read() as tx:
            return {route.model: route for route in routes(tx)}

    def deploy(self, engine: str = "echo", model: str = BASE, **more: Any) -> str:
        """Ask for a deployment; returns its id."""
        with self.database.write() as tx:
            return deploy(tx, self.project, model, engine, **more).id

    def state(self, model: str = BASE) -> str:
        return self.deployment(model).state

    def deployment(self, model: str = BASE) -> Deployment:
        with self.database.read() as tx:
            return find_deployment(tx, model)

    def replicas(self) -> list[ReplicaRow]:
        with self.database.read() as tx:
            return list_replicas(tx)

    def attach(self, name: str, content: bytes | None = None) -> None:
        """Register an adapter of the base; its content matters only to engines that read it."""
        digest, size = self.blobs.put([content or name.encode()])
        with self.database.write() as tx:
            register_adapter(tx, self.project, name, BASE, digest, size, LINEAGE)

    def ask(self, model: str, text: str, **more: object) -> str:
        """The text of one answer of a model, by its present route."""
        route = self.routes()[model]
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0, **engine_request(route), **more}
        request = urllib.request.Request(
            f"{route.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(json.load(response)["choices"][0]["message"]["content"])

    def explain(self) -> str:
        with self.database.read() as tx:
            return f"{list_deployments(tx)} {list_replicas(tx)}"


@pytest.fixture
def platform(home: Path, database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr("argosy.serving.draining._GRACE_S", 0.3)  # the tests look routes up afresh for each request
    made = Platform(home, database, blobs)
    yield made
    made.reconciler.close()
