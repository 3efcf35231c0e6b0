"""Reconciliation over HTTP and by the command: for administrators, and telling when the books do not agree."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import text
from starlette.testclient import TestClient
from typer.testing import CliRunner

from argosy import billing, identity
from argosy.api.book_metrics import BookMetrics
from argosy.api.context import Platform
from argosy.api.errors import handle_errors
from argosy.api.platform import reconciliation
from argosy.billing import UsageEvent
from argosy.cli import app as commands
from argosy.core import Settings, now_us
from argosy.identity import KeyRing
from argosy.runtime import Blobs, Database

TARIFF = SimpleNamespace(currency="USD", input=150_000, cached_input=75_000, output=600_000, training=3_000_000)
FILE = "date,model,input_tokens,output_tokens,amount,currency\n2026-11-26,ship,100,20,0.5,USD\n"
SPOIL = "UPDATE ledger_entries SET amount = amount - 9 WHERE quantity = 'output'"


@pytest.fixture
def spoil(database: Database) -> Any:
    """Tamper with the ledger."""

    def do() -> None:
        with database.write() as tx:
            tx.execute(text(SPOIL))

    return do


@pytest.fixture
def clients(database: Database, home: Path) -> dict[str, TestClient]:
    """An administrator's and finance's, on books with one request in them."""
    with database.write() as tx:
        made = identity.bootstrap(tx)
        _, finance = identity.create_key(tx, made.project_id, "finance", ["billing"])
        price = billing.ensure_price(tx, "ship", TARIFF)
        names = {"kind": "chat.completion", "model": "ship", "key_id": None, "base_model": "ship"}
        times = {"started_us": now_us(), "finished_us": now_us()}
        counts = {"prompt_tokens": 1_000, "completion_tokens": 10, "target": "acme"}
        event = UsageEvent(id="req_1", project_id=made.project_id, price_version=price, **names, **times, **counts)  # type: ignore[arg-type]
        billing.record(tx, [event])
    keys = KeyRing(database)
    keys.refresh()
    app = FastAPI()
    app.state.platform = Platform(Settings(home=home, database_url=database.url), database, Blobs(home / "b"), keys)
    handle_errors(app)
    app.include_router(reconciliation.router)
    secrets = {"admin": made.secret, "finance": finance}
    return {who: TestClient(app, headers={"authorization": f"Bearer {secret}"}) for who, secret in secrets.items()}


def test_a_run_is_published(clients: dict[str, TestClient], spoil: Any) -> None:
    admin = clients["admin"]
    assert admin.get("/v1/reconciliation").json()["data"] == []
    found = admin.post("/v1/reconciliation/run", json={}).json()
    assert (found["difference"], [one["events"] for one in found["data"]]) == (0, [1])
    assert found["data"][0]["usage_amount"] == found["data"][0]["ledger_amount"] == 150 + 6
    spoil()
    assert admin.get("/v1/reconciliation").json()["difference"] == 0, "what was found stands until the next look"
    found = admin.post("/v1/reconciliation/run", json={"since": now_us() // 10**6 - 60}).json()
    assert (found["difference"], found["data"][0]["rows"]) == (9, ["req_1"])
    assert "argosy ledger verify" in found["data"][0]["causes"][0]
    assert admin.get("/v1/reconciliation").json()["data"] == found["data"]


def test_a_providers_invoice_is_imported_once(clients: dict[str, TestClient]) -> None:
    body = {"provider": "acme", "csv": FILE}
    first, second = (clients["admin"].post("/v1/reconciliation/invoices", json=body).json() for _ in range(2))
    assert (first["new"], second["new"], first["id"]) == (True, False, second["id"])
    bad = clients["admin"].post("/v1/reconciliation/invoices", json={**body, "csv": FILE.replace("0.5", "=1+1")})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_provider_invoice")
    assert "line 2" in bad.json()["error"]["message"]
    odd = clients["admin"].post(
        "/v1/reconciliation/invoices",
        content=b'{"provider": "acme", "csv": "\\ud800"}',
        headers={"content-type": "application/json"},
    )
    assert odd.status_code in (400, 422)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [("GET", "", None), ("POST", "/run", {}), ("POST", "/invoices", {"provider": "acme", "csv": FILE})],
)
def test_it_speaks_of_all_projects_so_finance_of_one_may_not(
    clients: dict[str, TestClient], verb: str, path: str, body: Any
) -> None:
    assert clients["finance"].request(verb, f"/v1/reconciliation{path}", json=body).status_code == 403


def test_prometheus_sees_the_difference(clients: dict[str, TestClient], database: Database, spoil: Any) -> None:
    registry = CollectorRegistry()
    registry.register(metrics := BookMetrics(database))
    assert b"argosy_reconciliation_difference" not in generate_latest(registry)
    spoil()
    clients["admin"].post("/v1/reconciliation/run", json={})
    metrics._read_at = float("-inf")
    assert b"argosy_reconciliation_difference 9.0" in generate_latest(registry)


def test_the_command_fails_when_the_books_differ(
    clients: dict[str, TestClient], spoil: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def post(path: str, body: dict[str, Any]) -> Any:
        answer = clients["admin"].post(f"/v1{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    monkeypatch.setattr("argosy.cli.reconcile.post", post)
    run = CliRunner().invoke
    assert run(commands, ["reconcile"]).exit_code == 0
    (tmp_path / "bill.csv").write_text(FILE.replace("date", "Day"))
    told = run(
        commands, ["reconcile", "import", str(tmp_path / "bill.csv"), "--provider", "acme", "--column", "date=Day"]
    )
    assert told.exit_code == 0, told.output
    (tmp_path / "bad.csv").write_bytes(b"a\n\xff\n")
    told = run(commands, ["reconcile", "import", str(tmp_path / "bad.csv"), "--provider", "acme"])
    assert "line 2" in str(told.exception)
    spoil()
    told = run(commands, ["reconcile", "--json"])
    assert told.exit_code == 1
    assert '"difference": 9' in told.output
    told = run(commands, ["reconcile"])
    assert told.exit_code == 1
    assert "req_1" in told.output
