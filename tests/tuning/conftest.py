import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.tuning.fakes import BASE, FAKE_TRAINER, FakeEngines
from tests.worker import WorkerThread, wait_until

from argosy import datasets, identity, tuning
from argosy.core import Settings
from argosy.identity import Caller
from argosy.runtime import Blobs, Database
from argosy.runtime.jobs import Jobs
from argosy.runtime.processes import birth
from argosy.tuning import store
from argosy.tuning.store import Job


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
        self._worker = WorkerThread()

    def upload(self, rows: int = 12, content: bytes | None = None) -> str:
        lines = [
            json.dumps({"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}]})
            for i in range(rows)
        ]
        content = "\n".join(lines).encode() if content is None else content
        digest, size = self.blobs.put([content])
        with self.database.write() as tx:
            return datasets.add_file(tx, self.caller.project_id, "rows.jsonl", "fine-tune", size, digest).id

    def create(self, file: str | None = None, seed: int = 1000, **fields: object) -> Job:
        """A seed that is a `Misdeed` makes the fake trainer commit it."""
        body = {"model": BASE, "training_file": file or self.upload(), "seed": int(seed), **fields}
        request = tuning.read_request(body)
        with self.database.write() as tx:
            return tuning.create(tx, self.caller, request, self.engines)

    def job(self, job_id: str) -> Job:
        with self.database.read() as tx:
            job = store.get_job(tx, self.caller.project_id, job_id)
        assert job is not None
        return job

    def cancel(self, job_id: str) -> Job:
        with self.database.write() as tx:
            return tuning.cancel(tx, self.caller.project_id, job_id)

    @staticmethod
    def is_alive(pid: int) -> bool:
        return birth(pid) is not None

    def events(self, job_id: str) -> list[store.StoredEvent]:
        """Oldest first."""
        with self.database.read() as tx:
            return store.list_events(tx, self.caller.project_id, job_id, after=None, limit=1000)[::-1]

    def make_tuner(self) -> tuning.Tuner:
        parts = (self.settings, self.database, self.blobs, self.engines)
        return tuning.Tuner(*parts, command=FAKE_TRAINER, attach_s_max=self.attach_s_max)

    def start_worker(self, chores: Mapping[str, tuning.Chore] | None = None) -> None:
        tuner = self.make_tuner()
        worker = tuning.Worker(self.database, Jobs(self.settings), tuner, chores or {})
        self._worker.start(worker)

    def stop_worker(self) -> float:
        """Seconds that it took."""
        return self._worker.stop()

    def wait_for(self, job_id: str, *statuses: str, timeout_s: float = 60) -> Job:
        return wait_until(lambda: self.job(job_id), lambda job: job.status in statuses, timeout_s)

    def end_of(self, job_id: str) -> Job:
        return self.wait_for(job_id, "succeeded", "failed", "cancelled")


@pytest.fixture
def harbour(home: Path, database: Database) -> Iterator[Harbour]:
    home.mkdir(exist_ok=True)
    made = Harbour(home, database)
    yield made
    made.stop_worker()
