"""The ledger as a whole over HTTP and on the command line: for administrators, on the way and offline."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from sqlalchemy import text
from tests.gateway.harness import running_api
from tests.gateway.limits.test_at_the_door import argosy

from argosy import billing
from argosy.billing import UsageEvent, ledger
from argosy.billing.ledger import audit
from argosy.core import now_us
from argosy.runtime import Database
from argosy.runtime.migrations import migrate


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path) as running:
        with running.database.write() as tx:
            price = billing.current_prices(tx)["tiny"].id
            named = {"kind": "chat.completion", "model": "tiny", "base_model": "tiny", "key_id": None}
            times = {"started_us": now_us(), "finished_us": now_us(), "price_version": price}
            for name in ("req_1", "req_2"):
                event = UsageEvent(id=name, project_id=running.project_id, prompt_tokens=4_000_000, **named, **times)
                billing.record(tx, [event])
        yield running


@pytest.fixture
async def http(api):
    async with httpx.AsyncClient(base_url=f"{api.url}/v1", headers={"authorization": f"Bearer {api.secret}"}) as client:
        yield client


async def test_the_trial_balance_is_one_call_and_sums_to_zero(http):
    found = (await http.get("/ledger/trial-balance")).json()
    assert [(one["account"], one["debit"], one["credit"], one["balance"]) for one in found["data"]] == [
        ("receivable", 8_000, 0, 8_000),
        ("revenue", 0, 8_000, -8_000),
    ]
    assert found["totals"] == {"USD": {"debit": 8_000, "credit": 8_000, "balance": 0}}
    assert found["balanced"] is True


async def test_entries_are_found_by_what_they_are_about(http):
    async def ids(**query):
        return [one["id"] for one in (await http.get("/ledger/entries", params=query)).json()["data"]]

    assert await ids() == [1, 2, 3, 4]
    assert await ids(account="revenue") == [2, 4]
    assert await ids(transaction_id="req_2") == [3, 4]
    assert await ids(model="other") == await ids(project_id="p") == await ids(party="lab") == []
    assert await ids(since=10**10) == []
    assert await ids(after=2) == [3, 4]
    assert (await http.get("/ledger/entries", params={"limit": 1})).json()["has_more"] is True
    wrong = await http.get("/ledger/entries", params={"account": "revenues"})
    assert (wrong.status_code, "revenue" in wrong.json()["error"]["message"]) == (400, True)


async def test_verify_tells_what_is_wrong(api, http):
    head = (await http.get("/ledger/head")).json()
    sound = (await http.post("/ledger/verify", json={"head": head["hash"]})).json()
    assert (sound["sound"], sound["entries"], sound["head"]) == (True, 4, head["hash"])
    other = (await http.post("/ledger/verify", json={"head": "ab" * 32})).json()
    assert (other["sound"], "another ledger" in other["problems"][0]) == (False, True)
    assert (await http.post("/ledger/verify", json={"head": "x"})).status_code == 400
    with api.database.write() as tx:
        tx.execute(text("UPDATE ledger_entries SET amount = 1 WHERE id = 1"))
    status, said = await argosy(api, "ledger", "verify")
    assert (status, "WRONG: block 1, entries 1 to 2, was changed" in said) == (1, True)


async def test_on_the_way_it_tells_how_far_it_is(api, http, monkeypatch):
    monkeypatch.setattr(audit, "_TELL_EVERY", 2)
    answer = await http.post("/ledger/verify", json={"stream": True})
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    reports = [json.loads(line) for line in lines[:-1]]
    assert lines[-1] == "[DONE]"
    assert [(report["entries"], report["done"]) for report in reports] == [
        (2, False),
        (4, False),
        (4, False),
        (4, True),
    ]
    assert reports[-1]["sound"] is True


async def test_a_correction_is_made_and_listed(http):
    body = {"transaction_id": "req_1", "amount": 1_500, "reason": "cut answer", "idempotency_key": "a"}
    made = (await http.post("/ledger/corrections", json=body)).json()
    assert made == (await http.post("/ledger/corrections", json=body)).json()
    assert (await http.get("/ledger/corrections")).json()["data"] == [made]
    assert (await http.get("/ledger/corrections", params={"transaction_id": "req_2"})).json()["data"] == []
    above = await http.post("/ledger/corrections", json=body | {"amount": 2_501, "idempotency_key": "b"})
    assert (above.status_code, above.json()["error"]["code"]) == (409, "correction_above_original")
    for wrong in ({"reason": ""}, {"amount": 0}, {"amount": -1}, {"idempotency_key": ""}):
        assert (await http.post("/ledger/corrections", json=body | wrong)).status_code == 400
    ledger_now = (await http.get("/ledger")).json()
    assert ledger_now["balances"] == {"receivable": 6_500, "revenue": -8_000, "correction": 1_500}


async def test_nobody_but_administrators_gets_at_it(api, http):
    finance = {"authorization": f"Bearer {api.key('billing', 'inference', 'tuning')}"}
    for method, path in (
        ("GET", "trial-balance"),
        ("GET", "entries"),
        ("GET", "head"),
        ("POST", "verify"),
        ("GET", "corrections"),
        ("POST", "corrections"),
    ):
        assert (await http.request(method, f"/ledger/{path}", headers=finance, json={})).status_code == 403, path


async def test_the_command_line_shows_the_books(api):
    status, said = await argosy(api, "ledger", "trial-balance")
    assert (status, "0.008000 USD" in said) == (0, True)
    _, said = await argosy(api, "ledger", "head")
    status, verified = await argosy(api, "ledger", "verify", "--head", said.strip(), "--json")
    assert (status, json.loads(verified)["entries"]) == (0, 4)
    _, said = await argosy(api, "ledger", "entries", "--account", "revenue", "--json")
    assert len(json.loads(said)) == 2
    assert (await argosy(api, "ledger", "correct", "req_1", "--reason", "wrong"))[0] == 0
    status, said = await argosy(api, "ledger", "correct", "req_1", "--reason", "wrong")
    assert (status, "Nothing is left" in said) == (1, True)
    _, said = await argosy(api, "ledger", "corrections", "--json")
    assert json.loads(said)[0]["amount"] == 4_000


def test_without_the_platform_the_homes_database_is_read(home):
    def command(*words):
        environment = {
            **os.environ,
            "ARGOSY_HOME": str(home),
            "ARGOSY_URL": "http://127.0.0.1:9",
            "ARGOSY_API_KEY": "k",
        }
        done = subprocess.run([sys.executable, "-m", "argosy", *words], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    status, said = command("ledger", "verify", "--offline")
    assert (status, "no platform" in said) == (1, True)
    assert not home.exists()
    database = Database(f"sqlite:///{home / 'argosy.sqlite'}")
    migrate(database)
    with database.write() as tx:
        moves = [("receivable", 5), ("revenue", -5)]
        ledger.post(tx, [ledger.Entry("t", account, "p", amount, "USD") for account, amount in moves])
    assert command("ledger", "verify")[0] == 0  # nobody answers there
    with database.write() as tx:
        tx.execute(text("UPDATE ledger_entries SET amount = amount * 2"))
    status, said = command("ledger", "verify", "--offline")
    assert (status, "was changed" in said) == (1, True)
    database.close()
