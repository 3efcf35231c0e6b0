"""What many tests stand on: a home, blobs, and each database that Argosy runs on."""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.fresh import fresh_database

import argosy.app  # noqa: F401 (imports every package, and so registers every table, whichever tests run)
from argosy.catalog import card, pull
from argosy.runtime import Blobs, Database, metadata

ROOT = Path(__file__).parents[1]

_PR_SET_PDEATHSIG = 1


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own for each test."""
    return tmp_path / "home"


@pytest.fixture
def blobs(home: Path) -> Blobs:
    """An empty store of blobs."""
    return Blobs(home / "blobs")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, home: Path) -> Iterator[Database]:
    """A fresh database with all tables: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        opened = fresh_database(home / "argosy.sqlite")
        yield opened
        opened.close()
        return
    with _copy(request.getfixturevalue("postgres_template")) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, home: Path) -> Iterator[Database]:
    """A database without any tables, as a first start finds it."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{home / 'argosy.sqlite'}")
        yield opened
        opened.close()
        return
    with _copy((request.getfixturevalue("postgres"), "template0")) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def starter_gguf() -> Path:
    """The starter model's file, where `make setup` puts it; pulled through the catalog if it is not there."""
    return pull(card("smollm2-135m-instruct"), ROOT / ".starter", lambda _: None)


@pytest.fixture(scope="session")
def embedder_file() -> Path:
    """The starter embedding model's file, in the same way."""
    return pull(card("multilingual-e5-small"), ROOT / ".starter", lambda _: None)


@pytest.fixture(scope="session", autouse=True)
def _starters_are_found_first(starter_gguf: Path, embedder_file: Path) -> Iterator[None]:
    """Platforms that the tests start take the starter models from there, and ask no network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARGOSY_MODELS_PATH", str(starter_gguf.parents[1]))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_certificates(_starters_are_found_first: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody is asked here whom the known authorities certify, and to read all of theirs takes each client 0.05 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no-certificates")))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Folder of the socket of a PostgreSQL server that lives as long as the tests. Skips where none is installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here: 'apt-get install postgresql' lets this test run")
    with tempfile.TemporaryDirectory(prefix="argosy-pg-", ignore_cleanup_errors=True) as folder:
        user = _user()
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        data = Path(folder, "data")
        account = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-N"]
        subprocess.run([*initdb, "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        quick = (
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "listen_addresses=",
            "max_connections=50",
        )
        options = [word for setting in quick for word in ("-c", setting)]
        with open(Path(folder, "log"), "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, *options],
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=_die_with_parent,
                **account,
            )
        try:
            _wait_for(folder, server)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> tuple[str, str]:
    """A database with all tables, to be copied: far quicker than to make the tables for each test."""
    with _server(postgres) as connection:
        connection.execute("CREATE DATABASE template_argosy")
    template = Database(f"postgresql://postgres@/template_argosy?host={postgres}")
    metadata.create_all(template.engine)
    template.close()
    return postgres, "template_argosy"


@contextmanager
def _copy(template: tuple[str, str]) -> Iterator[str]:
    folder, source = template
    name = f"test_{secrets.token_hex(6)}"
    with _server(folder) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}".encode())
    try:
        yield f"postgresql://postgres@/{name}?host={folder}"
    finally:
        with _server(folder) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _server(folder: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(f"postgresql://postgres@/postgres?host={folder}", autocommit=True)


def _programs() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then as whom. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _wait_for(folder: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            _server(folder).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start: {Path(folder, 'log').read_text()}")
            time.sleep(0.05)
