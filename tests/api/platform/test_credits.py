"""Credits, alerts and webhooks over HTTP: who may do and see what, and that nonsense is refused with a hint."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.billing.conftest import Card
from tests.billing.credits.conftest import Shop

from argosy import billing, identity
from argosy.api.context import Platform
from argosy.api.errors import handle_errors
from argosy.api.platform import credits, webhooks
from argosy.core import Settings, now
from argosy.identity import KeyRing
from argosy.runtime import Blobs, Database, Vault


class Office:
    """An API, and clients of it."""

    def __init__(self, database: Database, home: Path) -> None:
        with database.write() as tx:
            first = identity.bootstrap(tx)
            self.theirs = identity.create_project(tx, first.project_id, "theirs").id
            self.key, finance = identity.create_key(tx, first.project_id, "finance", ["billing"])
            _, other = identity.create_key(tx, self.theirs, "theirs", ["billing"])
            _, plain = identity.create_key(tx, first.project_id, "app", ["inference"])
            price = billing.ensure_price(tx, "ship", Card(input=10**6, cached_input=0, output=0, training=0))
        self.shop = Shop(database, first.organization_id, first.project_id, price)
        keys = KeyRing(database)
        keys.refresh()
        app = FastAPI()
        settings = Settings(home=home, database_url=database.url)
        app.state.platform = Platform(settings, database, Blobs(home / "blobs"), keys, vault=Vault(b"v" * 32))
        handle_errors(app)
        for part in (credits, webhooks):
            app.include_router(part.router)
        secrets = {"admin": first.secret, "finance": finance, "theirs": other, "app": plain}
        self.http = {name: TestClient(app, headers={"authorization": f"Bearer {one}"}) for name, one in secrets.items()}


@pytest.fixture
def office(database: Database, home: Path) -> Office:
    return Office(database, home)


def test_a_credit_is_made_spent_and_shown(office: Office) -> None:
    http = office.http["admin"]
    body = {"kind": "top_up", "amount": "0.000100 USD", "scope": "organization", "note": "invoice 7"}
    made = http.post("/v1/credits", json=body, headers={"Idempotency-Key": "7"}).json()
    assert http.post("/v1/credits", json=body | {"idempotency_key": "7"}).json() == made
    assert (made["amount"], made["scope"], made["remaining"]) == (100, "organization", 100)
    grant = {"kind": "grant", "amount": 50, "currency": "usd", "scope": "organization", "expires_at": now() + 99}
    http.post("/v1/credits", json=grant)
    office.shop.spend(office.shop.event("req_1", 60, made["fund_id"]))
    (held,) = http.get("/v1/credits/balance").json()["data"]
    wanted = {"remaining": 90, "granted": 0, "paid": 90, "held": 0, "available": 90, "spent": 60}
    assert {name: held[name] for name in wanted} == wanted
    listed = http.get("/v1/credits", params={"limit": 1}).json()
    assert ([one["kind"] for one in listed["data"]], listed["has_more"]) == (["grant"], True)
    rest = http.get("/v1/credits", params={"after": listed["last_id"]}).json()["data"]
    assert [(one["kind"], one["spent"]) for one in rest] == [("top_up", 10)]
    office.shop.check()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"scope": None}, 400, "missing_scope_of_credit"),
        ({"scope": "project"}, 400, "invalid_scope_of_credit"),
        ({"scope": "organization:org-other"}, 400, "invalid_scope_of_credit"),
        ({"scope": "galaxy:1"}, 400, "invalid_scope_of_credit"),
        ({"scope": "project:proj_none"}, 404, "project_not_found"),
        ({"scope": "key:key_none"}, 404, "key_not_found"),
        ({"scope": "model:shipp"}, 404, "model_not_found"),
        ({"amount": 0}, 400, "invalid_amount"),
        ({"amount": -1}, 400, "invalid_amount"),
        ({"amount": 10**30}, 400, "invalid_amount"),
        ({"amount": 1.5}, 400, "invalid_value"),
        ({"amount": True}, 400, "invalid_value"),
        ({"amount": "-5 USD"}, 400, "invalid_amount"),
        ({"amount": "5 EUR", "currency": None}, 400, "currency_mismatch"),
        ({"amount": "5 USD", "currency": "EUR"}, 400, "currency_mismatch"),
        ({"currency": None}, 400, "missing_required_parameter"),
        ({"currency": "EUR"}, 400, "currency_mismatch"),
        ({"expires_at": 5}, 400, "expires_in_the_past"),
        ({"kind": "gift"}, 400, "invalid_value"),
        ({"fund": "x"}, 400, "invalid_value"),
    ],
)
def test_nonsense_is_refused(office: Office, change: dict[str, object], status: int, code: str) -> None:
    good = {"kind": "grant", "amount": 5, "currency": "USD", "scope": "organization"}
    body = {name: value for name, value in (good | change).items() if value is not None}
    answer = office.http["admin"].post("/v1/credits", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert office.shop.credits() == []


def test_only_administrators_give_and_everyone_sees_what_pays_for_them(office: Office) -> None:
    admin = office.http["admin"]
    for scope in ("organization", f"project:{office.theirs}", f"key:{office.key.id}", "model:ship"):
        body = {"kind": "grant", "amount": 5, "currency": "USD", "scope": scope}
        assert admin.post("/v1/credits", json=body).json()["scope"] == scope
        for name in ("finance", "app"):
            assert office.http[name].post("/v1/credits", json=body).status_code == 403
    seen = {
        name: sorted(one["scope"].partition(":")[0] for one in office.http[name].get("/v1/credits").json()["data"])
        for name in ("admin", "finance", "theirs")
    }
    assert seen["admin"] == ["key", "model", "organization", "project"]
    assert seen["finance"] == ["key", "model", "organization"]
    assert seen["theirs"] == ["model", "organization", "project"]
    assert len(office.http["finance"].get("/v1/credits/balance").json()["data"]) == 3
    for path in ("/v1/credits", "/v1/credits/balance"):
        assert office.http["app"].get(path).status_code == 403


def test_thresholds_are_told_once_for_each_filling(office: Office) -> None:
    http, shop = office.http["admin"], office.shop
    hook = http.post("/v1/webhooks", json={"url": "https://hooks.example/x", "events": ["credits.threshold_reached"]})
    assert hook.json()["secret"].startswith("whsec_")
    fund = shop.add("top_up", 100).fund_id
    spent = 0
    for number, amount in enumerate((79, 1, 5, 15)):
        shop.spend(shop.event(f"req_{number}", amount, fund))
        spent += amount
        told = [one["threshold"] for one in http.get("/v1/alerts").json()["data"]]
        assert told == {79: [], 80: [80], 85: [80], 100: [100, 80]}[spent]
    shop.add("top_up", 10)
    shop.spend(shop.event("req_again", 8, fund))
    told = http.get("/v1/alerts").json()["data"]
    assert (told[0]["threshold"], told[0]["used"], told[0]["allowed"]) == (80, 8, 10)
    sent = http.get("/v1/webhooks/deliveries").json()["data"]
    assert [(one["event"], one["status"]) for one in sent] == [("credits.threshold_reached", "pending")] * 3


def test_webhooks_are_made_listed_tested_and_removed_by_administrators(office: Office) -> None:
    http = office.http["admin"]
    made = http.post("/v1/webhooks", json={"url": "https://hooks.example/x"}).json()
    assert [one.get("secret") for one in http.get("/v1/webhooks").json()["data"]] == [None]
    sent = http.post(f"/v1/webhooks/{made['id']}/test").json()
    assert [one["id"] for one in http.get("/v1/webhooks/deliveries").json()["data"]] == [sent["id"]]
    assert http.delete(f"/v1/webhooks/{made['id']}").json()["deleted"] is True
    assert http.get("/v1/webhooks/deliveries").json()["data"] == []
    assert http.delete(f"/v1/webhooks/{made['id']}").status_code == 404
    assert http.post(f"/v1/webhooks/{made['id']}/test").status_code == 404
    for path in ("/v1/webhooks", "/v1/webhooks/deliveries", "/v1/alerts"):
        assert office.http["finance"].get(path).status_code == 403
    for body in ({"url": "http://127.0.0.1/"}, {"url": "https://a.example", "events": ["x"]}):
        assert http.post("/v1/webhooks", json=body).status_code == 400
