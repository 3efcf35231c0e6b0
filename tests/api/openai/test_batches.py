"""OpenAI's SDK against ``/v1/batches``, with the whole road behind it: worker, gateway, engine, journal, ledger."""

import asyncio
import contextlib
import json
import threading
from dataclasses import replace

import httpx
import openai
import pytest
from tests.gateway.harness import QUESTION

from argosy import batches
from argosy.batches import store
from argosy.batches.grants import PREFIX, seal_grant
from argosy.billing import balance, record
from argosy.core import Settings, charge
from argosy.identity import create_key, find_project
from argosy.runtime import Blobs, open_vault
from argosy.runtime.jobs import Jobs
from argosy.tuning import Worker

CHAT = "/v1/chat/completions"
DONE = ("completed", "failed", "expired", "cancelled")


@pytest.fixture
def worker(api):
    """Starts a worker of the API's platform; it ends with the test."""
    stop, threads = threading.Event(), []

    def start():
        home = api.database_home
        settings = replace(Settings.read({}, home=home), api_url=api.url, batch_concurrency=4)
        batcher = batches.Batcher(settings, api.database, Blobs(home / "blobs"), open_vault(home, {}))
        running = Worker(api.database, Jobs(settings), batcher, {})
        threads.append(threading.Thread(target=running.run, args=(stop,)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def api(api, tmp_path):
    api.database_home = tmp_path
    return api


def line(number, url=CHAT, **body):
    given = {"model": "tiny", "messages": QUESTION, **body}
    return {"custom_id": f"q{number}", "method": "POST", "url": url, "body": given}


async def create(api, rows, endpoint=CHAT, secret=None, **members):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    client = api.client(secret)
    file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": endpoint, "completion_window": "24h", **members}
    return await client.batches.create(**asked)


async def end_of(api, batch):
    for _ in range(500):
        found = await api.client().batches.retrieve(batch.id)
        if found.status in DONE:
            return found
        await asyncio.sleep(0.03)
    raise AssertionError(f"still {found}")


async def content(api, file_id):
    text = (await api.client().files.content(file_id)).text
    return {row["custom_id"]: row for row in map(json.loads, text.splitlines())}


async def test_a_batch_as_openais_sdk_makes_and_reads_it(api, worker):
    made = await create(api, [line(n) for n in range(12)], metadata={"night": "1"})
    assert (made.object, made.status, made.endpoint, made.metadata) == ("batch", "validating", CHAT, {"night": "1"})
    assert made.expires_at == made.created_at + 86_400
    worker()
    batch = await end_of(api, made)
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (12, 12, 0)
    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (12 * 31, 12 * 4)
    assert batch.usage.input_tokens_details.cached_tokens == 12 * 24
    answers = await content(api, batch.output_file_id)
    assert answers.keys() == {f"q{n}" for n in range(12)}
    body = answers["q3"]["response"]["body"]
    assert body["choices"][0]["message"]["content"] == "Hello, world!"
    assert body["model"] == "tiny"
    assert (await api.client().files.retrieve(batch.output_file_id)).purpose == "batch_output"


async def test_every_line_is_metered_once_at_half_the_price_and_the_books_add_up(api, worker):
    await api.ask()
    batch = await create(api, [line(n) for n in range(5)])
    worker()
    batch = await end_of(api, batch)
    events = {event.id: event for event in await api.settled(6)}
    answers = await content(api, batch.output_file_id)
    lines = [events.pop(row["response"]["request_id"]) for row in answers.values()]
    (direct,) = events.values()
    assert {(event.discount, event.batch_id, event.outcome) for event in lines} == {(50, batch.id, "complete")}
    assert (direct.discount, direct.batch_id) == (0, None)
    full = charge(7, 1000) + charge(24, 500) + charge(4, 2000)
    half = charge(7, 1000, 50) + charge(24, 500, 50) + charge(4, 2000, 50)
    with api.database.write() as tx:
        record(tx, [direct, *lines])
        record(tx, lines)
        assert balance(tx, api.project_id, "receivable") == full + 5 * half
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {api.secret}"}) as http:
        shown = (await http.get(f"{api.url}/v1/usage/events/{lines[0].id}")).json()
        assert (shown["discount"], shown["batch_id"]) == (50, batch.id)
        for one in shown["quantities"]:
            assert one["amount"] == charge(one["units"], one["unit_price"], shown["discount"])
        invoice = (await http.post(f"{api.url}/v1/invoices", json={})).json()
        assert invoice["total"] == sum(one["amount"] for one in invoice["lines"]) == full + 5 * half
        assert {one["discount"] for one in invoice["lines"]} == {0, 50}
        query = {"bucket_width": "1d", "group_by": "batch", "start_time": lines[0].finished_us // 10**6 - 600}
        used = (await http.get(f"{api.url}/v1/organization/usage/completions", params=query)).json()
        found = [result for bucket in used["data"] for result in bucket["results"]]
        assert {one["batch"]: one["num_model_requests"] for one in found} == {False: 1, True: 5}


async def test_lines_the_gateway_refuses_are_in_the_error_file_and_cost_nothing(api, worker):
    rows = [line(0), line(1, model="tinny"), line(2, temperature=9), line(3, model="ft:tiny:argosy:theirs:2")]
    batch = await create(api, rows)
    worker()
    batch = await end_of(api, batch)
    assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 1, 3)
    errors = {name: row["response"] for name, row in (await content(api, batch.error_file_id)).items()}
    assert {name: said["status_code"] for name, said in errors.items()} == {"q1": 404, "q2": 400, "q3": 404}
    assert errors["q1"]["body"]["error"]["code"] == "model_not_found"
    assert errors["q2"]["body"]["error"]["param"] == "temperature"
    assert len(await api.settled(1)) == 1


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/embeddings", {"model": "numbers", "input": ["a", "b"]}, "embedding"),
        ("/v1/completions", {"model": "tiny", "prompt": "Say"}, "completion"),
    ],
)
async def test_other_endpoints(api, worker, endpoint, body, kind):
    api.route([*api.routes, replace(api.routes[0], model="numbers", modality="embedding")])
    batch = await create(api, [{"custom_id": "a", "method": "POST", "url": endpoint, "body": body}], endpoint)
    worker()
    batch = await end_of(api, batch)
    assert batch.status == "completed", await content(api, batch.error_file_id)
    assert batch.output_file_id is not None, await content(api, batch.error_file_id)
    (event,) = await api.settled(1)
    assert (event.kind, event.discount) == (kind, 50)


async def test_no_client_can_grant_itself_a_discount(api, tmp_path):
    batch = await create(api, [line(0)])
    with api.database.read() as tx:
        row = store.batch_at_work(tx, batch.id)
    good, foreign = open_vault(tmp_path, {}), open_vault(tmp_path / "elsewhere", {})
    seal = seal_grant(good, row, 1)
    own = api.secret.encode()
    forged = [
        seal_grant(foreign, row, 1),
        seal[:-8] + "AAAAAAA=",
        f"Bearer {PREFIX}",
        f"Bearer {PREFIX}{'!' * 30}",
        f"Bearer {PREFIX}" + good.seal('["x"]', "provider").hex(),
    ]
    body = json.dumps({"model": "tiny", "messages": QUESTION})
    async with httpx.AsyncClient() as http:
        for value in forged:
            answer = await http.post(api.url + CHAT, content=body, headers={"authorization": value})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        headers = {"x-argosy-priority": "batch", "x-argosy-discount": "50", "x-argosy-batch": batch.id}
        headers |= {"authorization": f"Bearer {own.decode()}", "x-request-id": "req_1"}
        assert (await http.post(api.url + CHAT, content=body, headers=headers)).status_code == 200
        (event,) = await api.settled(1)
        assert (event.discount, event.batch_id) == (0, None)
        assert event.id != "req_1"
        # The real one is worth one line for some minutes, and nothing but that line's own id.
        for _ in range(2):
            assert (await http.post(api.url + CHAT, content=body, headers={"authorization": seal})).status_code == 200
        for path in ("/v1/files", "/v1/keys", "/v1/batches", "/v1/models"):
            assert (await http.get(api.url + path, headers={"authorization": seal})).status_code == 401
    assert {event.id for event in api.events()[1:]} == {f"req_{batch.id.removeprefix('batch_')}_00001"}


async def test_a_key_that_may_only_ask_models_is_enough_from_file_to_answers(api, worker):
    secret = api.key("inference")
    batch = await create(api, [line(0)], secret=secret)
    worker()
    batch = await end_of(api, batch)
    assert "Hello" in (await api.client(secret).files.content(batch.output_file_id)).text


async def test_a_grant_is_good_for_some_minutes_only(api, tmp_path, monkeypatch):
    batch = await create(api, [line(0)])
    with api.database.read() as tx:
        row = store.batch_at_work(tx, batch.id)
    vault = open_vault(tmp_path, {})
    seal = seal_grant(vault, row, 1).encode()
    grant = batches.read_grant(vault, seal)
    assert (grant.caller.project_id, grant.caller.scopes) == (api.project_id, {"inference"})
    monkeypatch.setattr("argosy.batches.grants.now", lambda: grant.expires_at)
    assert batches.read_grant(vault, seal) is None


async def test_a_line_whose_asker_is_gone_costs_nothing_and_its_next_run_is_charged_once(api, tmp_path):
    batch = await create(api, [line(0)])
    with api.database.read() as tx:
        seal = seal_grant(open_vault(tmp_path, {}), store.batch_at_work(tx, batch.id), 1)
    api.engine.pause_s = 0.3
    body = json.dumps({"model": "tiny", "messages": QUESTION})
    async with httpx.AsyncClient(headers={"authorization": seal}) as http:
        with contextlib.suppress(httpx.ReadTimeout):
            await http.post(api.url + CHAT, content=body, timeout=0.1)
        for _ in range(50):
            if api.engine.cancelled:
                break
            await asyncio.sleep(0.02)
        assert api.engine.cancelled == 1
        assert api.events() == []
        assert api.journal.open_requests == 0
        assert (await http.post(api.url + CHAT, content=body)).status_code == 200
    (event,) = await api.settled(1)
    assert (event.prompt_tokens, event.completion_tokens, event.outcome) == (31, 4, "complete")


async def test_another_projects_batch_looks_like_none(api, worker):
    batch = await create(api, [line(0)])
    with api.database.write() as tx:
        stranger = find_project(tx, api.project_id, "stranger").id
        _, secret = create_key(tx, stranger, "key", ["inference", "tuning"])
    api.gateway.refresh()
    theirs = api.client(secret)
    for call in (theirs.batches.retrieve, theirs.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="no batch"):
            await call(batch.id)
    assert [one async for one in theirs.batches.list()] == []
    with pytest.raises(openai.BadRequestError, match="no file"):
        await theirs.batches.create(input_file_id=batch.input_file_id, endpoint=CHAT, completion_window="24h")
    worker()
    batch = await end_of(api, batch)
    with pytest.raises(openai.NotFoundError):
        await theirs.files.content(batch.output_file_id)


async def test_batches_are_listed_newest_first_page_by_page(api):
    made = [(await create(api, [line(0)])).id for _ in range(5)]
    page = await api.client().batches.list(limit=2)
    assert ([one.id for one in page.data], page.has_more) == (made[:2:-1], True)
    assert [one.id async for one in api.client().batches.list(limit=2)] == made[::-1]


async def test_cancelling(api):
    batch = await create(api, [line(0)])
    cancelled = await api.client().batches.cancel(batch.id)
    assert (cancelled.status, cancelled.cancelling_at is not None) == ("cancelling", True)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"endpoint": "/v1/rerank"}, "invalid_value", "endpoint"),
        ({"completion_window": "1h"}, "invalid_value", "completion_window"),
        ({"input_file_id": "file-nothing"}, "file_not_found", "input_file_id"),
        ({"input_file_id": "a\x00b"}, "invalid_type", "input_file_id"),
        ({"input_file_id": 7}, "invalid_type", "input_file_id"),
        ({"input_file_id": None}, "missing_required_parameter", "input_file_id"),
        ({"metadata": {"a": 1}}, "invalid_value", "metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "invalid_value", "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3600}}, "unknown_parameter", None),
    ],
)
async def test_bodies_that_cannot_be_carried_out(api, change, code, param):
    content = json.dumps(line(0)).encode()
    file = await api.client().files.create(file=("lines.jsonl", content), purpose="batch")
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **change}
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {api.secret}"}) as http:
        answer = await http.post(f"{api.url}/v1/batches", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert param is None or answer.json()["error"]["param"] == param


async def test_a_file_for_another_purpose_and_a_key_without_the_scope(api):
    file = await api.client().files.create(file=("lines.jsonl", b"{}"), purpose="user_data")
    asked = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
        await api.client().batches.create(**asked)
    with pytest.raises(openai.PermissionDeniedError):
        await api.client(api.key("tuning")).batches.create(**asked)
