"""A platform of paper: the public API that the demonstration talks to, a base that chats and a model that learned."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI, OpenAI

from argosy.core import charge
from argosy.samples import LANGUAGES, held_out, rows

STARTER = "smollm2-135m-instruct"
PRICES = {"currency": "USD", "input": 20_000, "cached_input": 5_000, "output": 80_000, "training": 400_000}
DRAWN = {row.request for name in LANGUAGES for row in rows(name, "demo")}
ANSWERS = {row.request: row.answer for name in LANGUAGES for row in [*held_out(name), *rows(name, "demo")]}


@dataclass
class PaperPlatform:
    """Answers at once. The tuned model knows two of three held-out requests, and all that are drawn."""

    url: str = ""
    key: str = "sk-argosy-paper"
    ledger: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    open_now: int = 0
    open_most: int = 0
    refusals: int = 0
    """So many chat requests are told to come back later."""
    overcharge: int = 0
    """Added to every amount: a platform that cheats."""
    uninvoiced: int = 0
    """An invoice forgets so much."""
    tuned_knows: bool = True
    fail_jobs: bool = False

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0)

    def async_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0)

    def wait(self, show: Any) -> None:
        show("ready")

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/files", self._file)
        app.router.add_post("/v1/fine_tuning/jobs", self._create)
        app.router.add_get("/v1/fine_tuning/jobs/{id}", self._job)
        app.router.add_get("/v1/fine_tuning/jobs/{id}/events", self._events)
        app.router.add_get("/v1/prices", self._prices)
        app.router.add_get("/v1/usage/events", self._usage)
        app.router.add_get("/v1/ledger", self._ledger)
        app.router.add_post("/v1/invoices", self._invoice)
        app.router.add_get("/v1/invoices/inv_1", self._invoice)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.refusals:
            self.refusals -= 1
            return web.json_response({"error": {"message": "full"}}, status=429, headers={"retry-after": "0.01"})
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        await asyncio.sleep(0.002)
        self.open_now -= 1
        self.asked += 1
        name, text = f"req_{self.asked}", self._answer(body)
        usage = {"prompt_tokens": 150 + self.asked % 7, "completion_tokens": 60, "total_tokens": 210}
        usage["prompt_tokens_details"] = {"cached_tokens": 110}  # type: ignore[assignment]
        amount = charge(usage["prompt_tokens"] - 110, 20_000) + charge(110, 5_000) + charge(60, 80_000)
        self._post(name, body["model"], amount)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": name, "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        return web.json_response(answer | {"usage": usage}, headers={"x-request-id": name})

    def _answer(self, body: dict[str, Any]) -> str:
        request = body["messages"][-1]["content"]
        right, number = ANSWERS[request], list(ANSWERS).index(request)
        if body["model"] != STARTER and self.tuned_knows and (number % 3 or request in DRAWN):
            return right
        if "response_format" in body or len(body["messages"]) > 2:
            return right.replace('"aggregate":"sum"', '"aggregate":"max"').replace("202", "201")
        return "Sure! I can help you with the table."

    async def _file(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "fine-tune"
        return web.json_response(
            {"id": "file-1", "object": "file", "bytes": 1, "created_at": 0, "filename": "x", "purpose": "fine-tune",
             "status": "processed"}
        )  # fmt: skip

    async def _create(self, request: web.Request) -> web.Response:
        job = f"ftjob-{len(self.jobs) + 1}"
        self.jobs[job] = 0
        return web.json_response(self._job_object(job))

    async def _job(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        self.jobs[job] += 1
        if self.jobs[job] == 3 and not self.fail_jobs:
            self._post(job, STARTER, charge(40_000, 400_000))
        return web.json_response(self._job_object(job))

    def _job_object(self, job: str) -> dict[str, Any]:
        end = "failed" if self.fail_jobs else "succeeded"
        status = ["validating_files", "queued", "running", end][min(self.jobs[job], 3)]
        found = {"id": job, "object": "fine_tuning.job", "status": status, "model": STARTER, "training_file": "file-1"}
        found["hyperparameters"] = {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 1.0}  # type: ignore[assignment]
        if status == "succeeded":
            found |= {"fine_tuned_model": f"ft:{STARTER}:argosy:charts:{job[-1]}", "trained_tokens": 40_000}  # type: ignore[dict-item]
        if status == "failed":
            found["error"] = {"code": "out_of_memory", "message": "the trainer ran out of memory"}  # type: ignore[assignment]
        return found

    async def _events(self, request: web.Request) -> web.Response:
        found = [_event(f"m{n:04}", {"step": n, "total_steps": 75, "tokens_per_s": 900.0, "eta_s": 75.0 - n,
                 "train_loss": 2.2 / n**0.7 + (n * 37 % 11) / 90}) for n in range(75, 0, -1)]  # fmt: skip
        phases = {"import": 2.1, "load": 1.4, "train": 96.0, "convert": 0.4}
        found += [_event(name, {"phase": name, "seconds": seconds}) for name, seconds in phases.items()]
        after = request.query.get("after")
        start = next((n + 1 for n, one in enumerate(found) if one["id"] == after), 0)
        page = found[start : start + 50]
        return web.json_response({"object": "list", "data": page, "has_more": start + 50 < len(found)})

    async def _prices(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"model": STARTER, **PRICES}]})

    async def _usage(self, request: web.Request) -> web.Response:
        tokens = {"prompt_tokens": 150, "cached_tokens": 110, "completion_tokens": 60, "training_tokens": 0}
        row = {"id": "req_1", "model": STARTER, "usage": tokens, "total": 5}
        return web.json_response({"data": [row] * int(request.query["limit"])})

    async def _ledger(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after", 0))
        page = [entry for entry in self.ledger if entry["id"] > after][:100]
        more = bool(page) and page[-1]["id"] < len(self.ledger)
        return web.json_response({"project_id": "proj_a", "data": page, "has_more": more})

    async def _invoice(self, request: web.Request) -> web.Response:
        total = sum(entry["amount"] for entry in self.ledger if entry["account"] == "receivable") - self.uninvoiced
        line = {"model": STARTER, "quantity": "input", "units": 1, "unit_price": 20_000, "amount": total}
        return web.json_response({"id": "inv_1", "lines": [line], "total": total, "currency": "USD"})

    def _post(self, usage_id: str, model: str, amount: int) -> None:
        amount += self.overcharge
        for account, signed in (("receivable", amount), ("revenue", -amount)):
            self.ledger.append(
                {"id": len(self.ledger) + 1, "account": account, "amount": signed, "usage_id": usage_id, "model": model}
            )


def _event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    kind = "metrics" if "step" in data else "message"
    return {"id": f"ftevent-{name}", "object": "fine_tuning.job.event", "created_at": 1, "level": "info", "type": kind,
            "message": name, "data": data}  # fmt: skip


@pytest.fixture
def paper() -> Iterator[PaperPlatform]:
    platform, loop, ready = PaperPlatform(), asyncio.new_event_loop(), threading.Event()
    runner: list[web.AppRunner] = []

    async def start() -> None:
        runner.append(web.AppRunner(platform.application()))
        await runner[0].setup()
        site = web.TCPSite(runner[0], "127.0.0.1", 0)
        await site.start()
        platform.url = f"http://127.0.0.1:{runner[0].addresses[0][1]}"
        ready.set()

    def serve() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner[0].cleanup())

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(5)
    yield platform
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paper job is ready at once; nobody needs to wait for it."""
    monkeypatch.setattr("argosy.demo.following.POLL_S", 0.01)
