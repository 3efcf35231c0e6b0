"""The API with one engine behind it, all in the test's own process, and OpenAI's SDK in front."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai
import uvicorn
from fastapi import APIRouter, FastAPI
from tests.fresh import fresh_database
from tests.gateway.engine import Engine, running_engine

from argosy.api import DoorLimits, Platform, create_app
from argosy.api.metrics import Metrics
from argosy.api.server import make_server
from argosy.billing import Journal, UsageEvent, ensure_price
from argosy.core import Settings
from argosy.gateway import Deadlines, Gateway, RouteTable
from argosy.gateway.cache import AnswerCache
from argosy.gateway.capture import Capture
from argosy.gateway.routing import Configuration, read_configuration
from argosy.identity import KeyRing, bootstrap, create_key, create_project
from argosy.redaction.redactor import Redactor
from argosy.runtime import Blobs, Database, bump_version, open_vault
from argosy.serving import Route
from argosy.serving import routes as deployed_routes

QUESTION = [{"role": "user", "content": "Say hello"}]


class Tariff:
    """Any price will do."""

    currency, input, cached_input, output, training = "USD", 1000, 500, 2000, 100


@dataclass
class Api:
    """What tests look at. ``secret`` is the first project's administrator key, ``other`` another project's."""

    url: str
    engine: Engine
    routes: list[Route]
    database: Database
    gateway: Gateway
    journal: Journal
    secret: str
    other: str
    project_id: str
    server: uvicorn.Server
    metrics: Metrics

    def client(self, secret: str | None = None) -> openai.AsyncOpenAI:
        """OpenAI's SDK, which must not try again on its own here."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=secret or self.secret, max_retries=0, timeout=10)

    async def ask(self, **members: Any) -> Any:
        """One chat completion through the SDK."""
        return await self.client().chat.completions.create(**{"model": "tiny", "messages": QUESTION, **members})

    def key(self, *scopes: str) -> str:
        """The secret of a new key of the first project."""
        with self.database.write() as tx:
            _, secret = create_key(tx, self.project_id, "test", scopes)
        self.gateway.refresh()
        return secret

    def route(self, routes: list[Route]) -> None:
        """Change what is served."""
        self.routes[:] = routes
        with self.database.write() as tx:
            bump_version(tx)
        self.gateway.refresh()

    def events(self) -> list[UsageEvent]:
        """All outcomes so far."""
        return self.journal.take(1000)

    async def settled(self, count: int = 1) -> list[UsageEvent]:
        """The outcomes, once there are ``count`` and a moment has shown that there are no more."""
        for _ in range(200):
            if len(self.events()) >= count:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(self.events()) == count
        assert self.journal.open_requests == count
        return self.events()


def _configuration(tx: Any, given: list[Route]) -> Configuration:
    """As the platform reads it, with the given routes in the place of engines."""
    found = read_configuration(tx)
    return replace(found, routes=[*given, *deployed_routes(tx)])


def _routes(control: FastAPI) -> APIRouter:
    """The first application's routes, for all: what they hold is made at their first use, and takes half a second."""
    _SHARED.setdefault("routes", control.router)
    return _SHARED["routes"]


_SHARED: dict[str, APIRouter] = {}


@contextlib.asynccontextmanager
async def running_api(
    home: Path, deadlines: Deadlines | None = None, limits: DoorLimits | None = None
) -> AsyncIterator[Api]:
    """The API on a free port, serving "tiny" for all, and one adapter for each of two projects."""
    database = fresh_database(home / "argosy.sqlite")
    with database.write() as tx:
        first = bootstrap(tx)
        stranger = create_project(tx, first.project_id, "stranger")
        _, other = create_key(tx, stranger.id, "other", ["inference"])
        ensure_price(tx, "tiny", Tariff())
    keys, journal = KeyRing(database), Journal(home / "journal", fsync=False)
    async with running_engine() as engine:
        base = Route(
            model="tiny", project_id=None, base_model="tiny", url=engine.url, adapter_index=None, adapter_count=2,
            engine="echo", context_length=8192, replica_id="rep_1",
        )  # fmt: skip
        routes = [
            base,
            replace(base, model="ft:tiny:argosy:mine:1", project_id=first.project_id, adapter_index=0),
            replace(base, model="ft:tiny:argosy:theirs:2", project_id=stranger.id, adapter_index=1),
        ]
        vault = open_vault(home, {})
        table = RouteTable(database, lambda tx: _configuration(tx, routes), vault)
        cache = AnswerCache(home / "cache.sqlite", vault, bytes_max=1 << 22, ttl_s=60)
        capture = Capture(database, vault, Redactor(home / "logs" / "redactor.log"))
        gateway = Gateway(database, keys, journal, table=table, deadlines=deadlines, cache=cache, capture=capture)
        platform = Platform(Settings.read({}, home=home), database, Blobs(home / "blobs"), keys, vault=vault)
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(platform, gateway)
        app.control.router = _routes(app.control)
        server = make_server(app, limits)
        await gateway.start()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        assert first.secret is not None
        try:
            whole = (url, engine, routes, database, gateway, journal, first.secret, other, first.project_id)
            yield Api(*whole, server, app.control.state.metrics)
        finally:
            serving.cancel()  # when it is told to exit, it first waits for two tenths of a second
            for listening in server.servers:
                listening.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await asyncio.gather(serving, return_exceptions=True)
            if app.request_log is not None:
                app.request_log.close()
            await gateway.stop()
            journal.close()
            database.close()
