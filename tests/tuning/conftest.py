import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from argosy import datasets, identity, tuning
from argosy.core import Settings
from argosy.identity import Caller
from argosy.runtime import Blobs, Database, Transaction
from argosy.runtime.jobs import Jobs
from argosy.tuning import store
from argosy.tuning.store import Job

FAKE_TRAINER = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))
T = TypeVar("T")
BASE = "smollm2-135m-instruct"


class FakeEngines:
    """Serves the base from a file of four bytes; new models answer at once, unless told otherwise."""

    def __init__(self, home: Path) -> None:
        self.file: Path | None = home / "base.gguf"
        self.file.write_bytes(b"GGUF")
        self.loads = True

    def weights(self, tx: Transaction, base: str) -> Path | None:
        return self.file if base == BASE else None

    def answers(self, tx: Transaction, model: str) -> bool:
        return self.loads


class Harbour:
    """One project of one platform, and a worker if it is started."""

    def __init__(self, home: Path, database: Database) -> None:
        self.settings = Settings(home=home, database_url=database.url)
        self.database, self.blobs = database, Blobs(home / "blobs")
        self.engines = FakeEngines(home)
        self.attach_s_max = 300.0
        with database.write() as tx:
            made = identity.bootstrap(tx)
            slug = identity.organization_of(tx, made.project_id).slug
        scopes = frozenset({"tuning"})
        self.caller = Caller("key_1", made.project_id, made.organization_id, slug, scopes)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def upload(self, rows: int = 12, content: bytes | None = None) -> str:
        lines = [
            json.dumps({"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}]})
            for i in range(rows)
        ]
        content = "\n".join(lines).encode() if content is None else content
        digest, size = self.blobs.put([content])
        with self.database.write() as tx:
            return datasets.add_file(tx, self.caller.project_id, "rows.jsonl", "fine-tune", size, digest).id

    def create(self, file: str | None = None, **fields: object) -> Job:
        request = tuning.read_request({"model": BASE, "training_file": file or self.upload(), **fields})
        with self.database.write() as tx:
            return tuning.create(tx, self.caller, request, self.engines)

    def job(self, job_id: str) -> Job:
        with self.database.read() as tx:
            job = store.get_job(tx, self.caller.project_id, job_id)
        assert job is not None
        return job

    def events(self, job_id: str) -> list[store.StoredEvent]:
        """Oldest first."""
        with self.database.read() as tx:
            return store.list_events(tx, self.caller.project_id, job_id, after=None, limit=1000)[::-1]

    def start_worker(self) -> None:
        tuner = tuning.Tuner(
            self.settings, self.database, self.blobs, self.engines,
            command=FAKE_TRAINER, attach_s_max=self.attach_s_max,
        )  # fmt: skip
        worker = tuning.Worker(self.database, Jobs(self.settings), tuner, {})
        self._stop.clear()
        self._thread = threading.Thread(target=worker.run, args=(self._stop,))
        self._thread.start()

    def stop_worker(self) -> float:
        """Seconds that it took."""
        clock = time.monotonic()
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        return time.monotonic() - clock

    def wait_for(self, job_id: str, *statuses: str, timeout_s: float = 20) -> Job:
        return wait_until(lambda: self.job(job_id), lambda job: job.status in statuses, timeout_s)

    def end_of(self, job_id: str) -> Job:
        return self.wait_for(job_id, "succeeded", "failed", "cancelled")


def wait_until(look: Callable[[], T], good: Callable[[T], bool], timeout_s: float = 20) -> T:
    deadline = time.monotonic() + timeout_s
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.02)
    return seen


@pytest.fixture
def harbour(home: Path, database: Database) -> Iterator[Harbour]:
    home.mkdir(exist_ok=True)
    made = Harbour(home, database)
    yield made
    made.stop_worker()
