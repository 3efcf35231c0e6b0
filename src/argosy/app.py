"""Composition root: settings in, running processes out. The only file that names the concrete parts.

What one kind of process alone needs is imported where that process begins: each of them would otherwise spend a second
of processor time, and tens of megabytes, on the others' parts.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from argosy.billing import ledger
from argosy.core import Conflict, NotFound, Settings
from argosy.identity import bootstrap, create_key, default_project, list_keys, revoke_key
from argosy.runtime import Blobs, Database, Vault, open_vault
from argosy.runtime.heartbeats import seconds_since_beat
from argosy.runtime.logs import configure_logs
from argosy.runtime.migrations import is_current, migrate
from argosy.runtime.supervisor import HomeLock, Program, Supervisor, listen
from argosy.serving import deploy

if TYPE_CHECKING:
    from argosy.gateway.cache import AnswerCache

_WORKER_SILENT_S = 10.0
"""After this long without a sign of life from the worker, the platform is not ready for new jobs and deployments."""


def run_platform(settings: Settings, models: list[str]) -> int:
    """``argosy up``: prepare the home, then supervise the API and the worker until told to stop. Returns the exit code.

    Raises Conflict for a home or a port in use.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = HomeLock(settings.home)
    listener = listen(settings.host, settings.port)
    settings = settings.with_port(listener.getsockname()[1])
    address = f"http://{settings.host}:{settings.port}"
    up = settings.home / "up.json"
    up.unlink(missing_ok=True)  # one that was killed could not take its own away
    try:
        secret = _prepare(settings, models)
        _write_whole(up, json.dumps({"url": address, "pid": os.getpid()}))
        _greet(address, settings, secret)
        return Supervisor(_programs(settings, listener)).run()
    finally:
        up.unlink(missing_ok=True)
        listener.close()
        lock.release()


def run_api(settings: Settings, fd: int | None) -> int:
    """``argosy api``: one API process, on an inherited listening socket or one of its own."""
    import uvloop

    from argosy.api import DoorLimits, Platform, create_app, serve
    from argosy.billing import Journal, Poster, Shipper, post_events, recover
    from argosy.gateway import Gateway
    from argosy.gateway.capture import Capture
    from argosy.gateway.telemetry.tracing import open_tracing
    from argosy.identity import KeyRing
    from argosy.redaction.redactor import Redactor

    configure_logs()
    listener = socket.socket(fileno=fd) if fd is not None else listen(settings.host, settings.port)
    database = Database(settings.database_url)
    migrate(database)
    journals = settings.home / "journal"
    journals.mkdir(exist_ok=True)
    recover(journals, database)
    journal = Journal(journals)
    holder, rejected = journal.folder.name, journals / "rejected"
    poster = Poster(settings.database_url, rejected, settings.home / "logs" / "poster.log", holder=holder)
    shipper = Shipper(journal, poster.post, partial(post_events, database, rejected=rejected, holder=holder))
    keys = KeyRing(database)
    vault = open_vault(settings.home)
    platform = Platform(settings, database, Blobs(settings.home / "blobs"), keys, shipper, vault)
    tracing, cache = open_tracing(), _answer_cache(settings, vault)
    capture = Capture(database, vault, Redactor(settings.home / "logs" / "redactor.log"))
    gateway = Gateway(database, keys, journal, vault=vault, tracing=tracing, cache=cache, capture=capture)
    shipper.start()
    # uvicorn raises the signal again that made it end: as an exception, so that what follows is not cut off.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        app = create_app(platform, gateway, lambda: _not_ready(database))
        limits = DoorLimits(request_s=settings.request_deadline_s, reader_s=settings.reader_deadline_s)
        uvloop.run(serve(app, [listener], limits))
    finally:
        shipper.stop()
        poster.stop()
        journal.close()
        database.close()
        tracing.close()
    return 0


def _answer_cache(settings: Settings, vault: Vault) -> "AnswerCache | None":
    """The kept answers of a home, None if it keeps none."""
    from argosy.gateway.cache import AnswerCache

    if not settings.cache_mb:
        return None
    return AnswerCache(
        settings.home / "cache.sqlite",
        vault,
        bytes_max=settings.cache_mb << 20,
        ttl_s=settings.cache_ttl_s,
        charge_percent=settings.cache_charge_percent,
    )


def run_worker(settings: Settings) -> int:
    """``argosy worker``: durable jobs and the reconciler, until SIGTERM or SIGINT."""
    from argosy.batches import Batcher
    from argosy.billing.credits import CreditSweeper
    from argosy.billing.reconciliation import Reconciliation
    from argosy.billing.webhooks import Deliverer
    from argosy.datasets.storage import StorageMeter
    from argosy.gateway.capture import Sweeper
    from argosy.runtime.jobs import Jobs
    from argosy.serving import Reconciler
    from argosy.serving.dedicated import EngineMeter
    from argosy.serving.engine_counts import engine_counts
    from argosy.tuning import DeployedEngines, Tuner, Worker

    configure_logs()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = Database(settings.database_url)
    migrate(database)
    blobs = Blobs(settings.home / "blobs")
    vault = open_vault(settings.home)
    tuner = Tuner(settings, database, blobs, DeployedEngines())
    batcher = Batcher(settings, database, blobs, vault)
    reconciler = Reconciler(settings, database, blobs, vault)
    credits, webhooks = CreditSweeper(database), Deliverer(database, vault)
    chores = {"reconciler": reconciler.run, "captures": Sweeper(database).run}
    chores |= {"credits": credits.run, "webhooks": webhooks.run}
    chores["reconciliation"] = Reconciliation(database, partial(engine_counts, database)).run
    chores |= {"engine meter": EngineMeter(database).run, "storage meter": StorageMeter(database).run}
    Worker(database, Jobs(settings), tuner, chores, batcher).run(stop)
    database.close()
    return 0


def register_tables() -> None:
    """Import every package that has tables, for who makes or compares all of them."""
    import argosy.api
    import argosy.batches
    import argosy.tuning  # noqa: F401


def create_local_key(settings: Settings, name: str, scopes: list[str]) -> str:
    """Make a key straight in the home's database; returns its secret."""
    with _local(settings).write() as tx:
        return create_key(tx, default_project(tx), name, scopes)[1]


def list_local_keys(settings: Settings) -> list[dict[str, object]]:
    """The default project's keys, without secrets."""
    with _local(settings).write() as tx:
        return [vars(key) for key in list_keys(tx, default_project(tx))]


def revoke_local_key(settings: Settings, key_id: str) -> None:
    """Revoke a key of the default project. Raises NotFound."""
    with _local(settings).write() as tx:
        revoke_key(tx, default_project(tx), key_id)


def verify_local_ledger(settings: Settings, known: str | None, progress: Callable[[int], None]) -> ledger.Verification:
    """Go through the ledger in the home's database, as it is. Raises NotFound if there is none."""
    if settings.database_url == f"sqlite:///{settings.home / 'argosy.sqlite'}" and not settings.home.exists():
        raise NotFound(f"There is no platform at {settings.home}. Name its folder with --home.", code="home_not_found")
    database = Database(settings.database_url)
    if not is_current(database):
        raise Conflict(
            "The database cannot be reached, or is of another version: 'argosy up' brings it up to date.",
            code="database_not_current",
        )
    with database.read() as tx:
        return ledger.verify(tx, known, progress)


def _prepare(settings: Settings, models: list[str]) -> str | None:
    """Migrate, make what a first start makes, ask for the deployments. Returns a new key's secret, to be shown once."""
    database = Database(settings.database_url)
    migrate(database)
    with database.write() as tx:
        first = bootstrap(tx, settings.admin_key)
        for name in models:
            deploy(tx, first.project_id, name)
    database.close()
    return first.secret


def _programs(settings: Settings, listener: socket.socket) -> list[Program]:
    logs, command = settings.home / "logs", [sys.executable, "-m", "argosy"]
    inherited = listener.fileno()
    names = ["api", *(f"api-{number}" for number in range(2, settings.api_processes + 1))]
    doors = [
        Program(
            name,
            [*command, "api", "--fd", str(inherited)],
            logs / f"{name}.log",
            settings.environment(),
            pass_fds=[inherited],
        )
        for name in names
    ]
    return [*doors, Program("worker", [*command, "worker"], logs / "worker.log", settings.environment())]


def _greet(address: str, settings: Settings, secret: str | None) -> None:
    print(f"Argosy is starting at {address}/v1  (home {settings.home}; Ctrl-C stops it)")
    if secret:
        print(f"Administrator key, shown this once: {secret}")
        print(f"  export ARGOSY_API_KEY={secret}")
    elif not settings.admin_key:
        print("Your key was printed at the first start; 'argosy keys create NAME' makes another.")
    sys.stdout.flush()


def _not_ready(database: Database) -> str | None:
    """Why the platform is not ready, None when it is."""
    match is_current(database):
        case None:
            return "the database cannot be reached"
        case False:
            return "the database is not migrated"
    with database.read() as tx:
        silent_s = seconds_since_beat(tx, "worker")
    if silent_s is None or silent_s > _WORKER_SILENT_S:
        return "the worker gives no sign of life"
    return None


def _local(settings: Settings) -> Database:
    database = Database(settings.database_url)
    migrate(database)
    return database


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    os.replace(temporary, path)
