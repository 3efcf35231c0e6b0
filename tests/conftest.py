"""What many tests stand on: a home, blobs, and each database that Argosy runs on."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.fresh import fresh_database
from tests.postgres import PostgresServer, programs

from argosy.app import register_tables
from argosy.catalog import card, pull
from argosy.runtime import Blobs, Database, metadata

register_tables()  # all of them, whichever tests run

ROOT = Path(__file__).parents[1]


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
    if programs() is None:
        pytest.skip("PostgreSQL is not installed here: 'apt-get install postgresql' lets this test run")
    with tempfile.TemporaryDirectory(prefix="argosy-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), ["synchronous_commit=off"])
        server.start()
        try:
            yield folder
        finally:
            server.stop()


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
