"""One project's batches, a worker that carries them out, and an API of the test's own that answers as told."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.worker import WorkerThread, wait_until

from argosy import batches, datasets, identity
from argosy.batches import Batch, read_grant, store
from argosy.core import Settings
from argosy.identity import Caller
from argosy.runtime import Blobs, Database, open_vault
from argosy.runtime.jobs import Jobs
from argosy.tuning import Worker

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
Reply = tuple[int, Any, dict[str, str]]


def ask(number: int, **members: Any) -> dict[str, Any]:
    """The request of one line."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": str(number)}]}
    return {"custom_id": f"line {number}", "method": "POST", "url": CHAT, "body": body, **members}


def text_of(rows: list[Any]) -> bytes:
    return "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()


class FakeApi:
    """Answers what is asked; ``plan`` decides otherwise: it gets the question and how often it was asked before."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.plan: Callable[[str, int], Reply | str | None] = lambda _question, _before: None
        self.asked: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.pause_s = 0.0
        self.in_flight = self.most_in_flight = 0
        self.url = ""
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application()
        application.router.add_post("/{path:.*}", self._answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._end.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        question = body["messages"][-1]["content"]
        self.headers.append(dict(request.headers))
        reply = self.plan(question, self.asked[question])
        self.asked[question] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.pause_s)
        finally:
            self.in_flight -= 1
        if reply == "cut":
            assert request.transport is not None
            request.transport.abort()
        if reply is None or isinstance(reply, str):
            said = {"role": "assistant", "content": f"answer to {question}"}
            reply = 200, {"choices": [{"index": 0, "message": said}], "usage": USAGE}, {}
        status, answer, headers = reply
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=status, text=text, headers=headers)


class Yard:
    """One project of one platform, and a worker if it is started."""

    def __init__(self, home: Path, database: Database, api: FakeApi) -> None:
        self.settings = Settings(home=home, database_url=database.url, api_url=api.url, batch_concurrency=4)
        self.database, self.blobs, self.vault, self.api = database, Blobs(home / "blobs"), open_vault(home, {}), api
        with database.write() as tx:
            made = identity.bootstrap(tx)
            slug = identity.organization_of(tx, made.project_id).slug
            self.stranger = identity.create_project(tx, made.project_id, "stranger").id
        self.caller = Caller("key_1", made.project_id, made.organization_id, slug, frozenset({"inference"}))
        self._worker = WorkerThread()

    def upload(self, content: bytes, project_id: str | None = None, purpose: str = "batch") -> str:
        digest, size = self.blobs.put([content])
        with self.database.write() as tx:
            project = project_id or self.caller.project_id
            return datasets.add_file(tx, project, "lines.jsonl", purpose, size, digest).id

    def create(self, rows: list[Any] | int = 3, project_id: str | None = None, discount: int = 50) -> Batch:
        """A batch of these rows, or of so many good ones."""
        rows = [ask(number) for number in range(rows)] if isinstance(rows, int) else rows
        file = self.upload(text_of(rows), project_id)
        request = batches.read_request({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"})
        who = self.caller if project_id is None else Caller("key_2", project_id, "org", "slug", frozenset())
        with self.database.write() as tx:
            return batches.create(tx, who, request, discount)

    def batch(self, batch_id: str) -> Batch:
        with self.database.read() as tx:
            return store.batch_at_work(tx, batch_id)

    def cancel(self, batch: Batch) -> Batch:
        with self.database.write() as tx:
            return batches.cancel(tx, batch.project_id, batch.id)

    def rows(self, batch: Batch, file_id: str | None) -> list[dict[str, Any]]:
        """The lines of an output or error file."""
        if file_id is None:
            return []
        with self.database.read() as tx:
            file = datasets.find_file(tx, batch.project_id, file_id)
        assert file.purpose == "batch_output"
        return [json.loads(line) for line in self.blobs.path(file.digest).read_text().splitlines()]

    def output(self, batch: Batch) -> list[dict[str, Any]]:
        return self.rows(batch, batch.output_file)

    def errors(self, batch: Batch) -> list[dict[str, Any]]:
        return self.rows(batch, batch.error_file)

    def lines_granted(self) -> list[int]:
        """The line numbers of all grants that the API was shown."""
        grants = [read_grant(self.vault, headers["authorization"].encode()) for headers in self.api.headers]
        return [grant.line for grant in grants if grant]

    def batcher(self) -> batches.Batcher:
        return batches.Batcher(self.settings, self.database, self.blobs, self.vault)

    def start_worker(self) -> None:
        self._worker.start(Worker(self.database, Jobs(self.settings), self.batcher(), {}))

    def stop_worker(self) -> float:
        """Seconds that it took."""
        return self._worker.stop()

    def end_of(self, batch: Batch, timeout_s: float = 60) -> Batch:
        return wait_until(lambda: self.batch(batch.id), lambda seen: seen.status in ENDED, timeout_s)


@pytest.fixture
def fake_api() -> Iterator[FakeApi]:
    api = FakeApi()
    api.start()
    yield api
    api.stop()


@pytest.fixture
def yard(home: Path, database: Database, fake_api: FakeApi) -> Iterator[Yard]:
    home.mkdir(exist_ok=True)
    made = Yard(home, database, fake_api)
    yield made
    made.stop_worker()
