"""A client adds its bill up again, from prices, usage events, ledger and invoice, over HTTP alone."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from argosy import billing, identity
from argosy.api.context import Platform
from argosy.api.errors import handle_errors
from argosy.api.openai import usage
from argosy.api.platform import invoices, ledger, prices
from argosy.billing import UsageEvent
from argosy.core import Settings, charge, now, now_us
from argosy.identity import KeyRing
from argosy.runtime import Blobs, Database

TARIFF = SimpleNamespace(currency="USD", input=150_000, cached_input=75_000, output=600_000, training=3_000_000)


@dataclass
class Books:
    """An API on a database, with two projects of one organization."""

    database: Database
    app: FastAPI
    secrets: dict[str, str]
    projects: dict[str, str]
    price: str

    def client(self, who: str) -> TestClient:
        return TestClient(self.app, headers={"authorization": f"Bearer {self.secrets[who]}"})

    def use(self, id_: str, project: str = "ours", **fields: object) -> None:
        named = {"kind": "chat.completion", "model": "ship", "key_id": "key_a", "base_model": "ship", **fields}
        times = {"started_us": now_us(), "finished_us": now_us()}
        event = UsageEvent(id=id_, project_id=self.projects[project], price_version=self.price, **times, **named)  # type: ignore[arg-type]
        with self.database.write() as tx:
            billing.record(tx, [event])


@pytest.fixture
def books(database: Database, home: Path) -> Books:
    with database.write() as tx:
        made = identity.bootstrap(tx)
        theirs = identity.create_project(tx, made.project_id, "theirs")
        _, ours = identity.create_key(tx, made.project_id, "finance", ["billing"])
        _, plain = identity.create_key(tx, made.project_id, "app", ["inference"])
        price = billing.ensure_price(tx, "ship", TARIFF)
    assert made.secret
    keys = KeyRing(database)
    keys.refresh()
    app = FastAPI()
    settings = Settings(home=home, database_url=database.url)
    app.state.platform = Platform(settings, database, Blobs(home / "blobs"), keys)
    handle_errors(app)
    for part in (usage, ledger, invoices, prices):
        app.include_router(part.router)
    secrets = {"admin": made.secret, "finance": ours, "app": plain}
    return Books(database, app, secrets, {"ours": made.project_id, "theirs": theirs.id}, price)


def test_a_client_can_add_its_bill_up_again(books: Books) -> None:
    reported = [(1_000, 300, 77), (1, 0, 1), (333, 333, 0)]  # what the responses said: prompt, cached, completion
    for number, (prompt, cached, completion) in enumerate(reported):
        books.use(f"req_{number}", prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)
    books.use("ftjob-1", kind="training", training_tokens=12_345)
    books.use("req_theirs", "theirs", prompt_tokens=10**6)
    http, office = books.client("finance"), books.client("admin")

    (price,) = http.get("/v1/prices").json()["data"]
    expected = charge(12_345, price["training"]) + sum(
        charge(prompt - cached, price["input"]) + charge(cached, price["cached_input"]) + charge(out, price["output"])
        for prompt, cached, out in reported
    )
    events = http.get("/v1/usage/events").json()["data"]
    assert sum(event["total"] for event in events) == expected
    for event in events:
        assert event["price_version"] == price["id"]
        assert event["total"] == sum(line["amount"] for line in event["quantities"])
        assert all(line["amount"] == charge(line["units"], line["unit_price"]) for line in event["quantities"])
    book = http.get("/v1/ledger").json()
    assert (book["charged"], book["balances"]) == (expected, {"receivable": expected, "revenue": -expected})
    assert sum(entry["amount"] for entry in book["data"]) == 0

    assert http.post("/v1/invoices", json={}).status_code == 403, "an invoice is the whole organization's"
    whole = office.post("/v1/invoices", json={}).json()
    assert office.get(f"/v1/invoices/{whole['id']}").json() == whole
    assert office.get("/v1/invoices").json()["data"] == [whole]
    assert whole["due"] == whole["total"] + whole["rounding"] == 190_000
    invoice = http.get(f"/v1/invoices/{whole['id']}").json()
    assert invoice["total"] == expected == sum(line["amount"] for line in invoice["lines"])
    assert whole["total"] == expected + 150_000
    assert http.get("/v1/invoices").json()["data"] == [invoice]
    billed = http.get("/v1/usage/events", params={"invoice_id": invoice["id"]}).json()["data"]
    assert len(billed) == invoice["event_count"] == 4
    assert http.get("/v1/ledger").json()["balances"]["invoiced"] == expected
    again = office.post("/v1/invoices", json={"period_start": 0, "period_end": invoice["period_end"]})
    assert again.json() == whole


def test_an_invoice_is_a_page_in_both_languages(books: Books) -> None:
    books.use("req_1", prompt_tokens=1_000_000)
    http = books.client("finance")
    id_ = books.client("admin").post("/v1/invoices", json={}).json()["id"]
    english = http.get(f"/v1/invoices/{id_}.html")
    assert english.headers["content-type"].startswith("text/html")
    assert "0.150000 USD" in english.text
    assert "0.15 USD" in books.client("admin").get(f"/v1/invoices/{id_}.html").text, "what is due is of the whole"
    assert "账单" in http.get(f"/v1/invoices/{id_}.html", params={"lang": "zh"}).text


def test_openais_client_reads_usage_and_costs(books: Books) -> None:
    books.use("req_1", prompt_tokens=1_000, cached_tokens=300, completion_tokens=10)
    books.use("req_2", "theirs", prompt_tokens=500, model="ft:ship:argosy:x:1")
    books.use("ftjob-1", kind="training", training_tokens=2_000)
    client = openai.OpenAI(
        admin_api_key=books.secrets["admin"],
        api_key=books.secrets["admin"],
        base_url="http://testserver/v1",
        http_client=TestClient(books.app),
    )
    page = client.admin.organization.usage.completions(start_time=now() - 60, group_by=["model"], bucket_width="1h")
    results = [result for bucket in page.data for result in bucket.results]
    found = {
        result.model: (result.input_tokens, result.input_cached_tokens, result.output_tokens) for result in results
    }
    assert found == {"ship": (1_000, 300, 10), "ft:ship:argosy:x:1": (500, 0, 0)}
    costs = client.admin.organization.usage.costs(start_time=now() - 60, group_by=["line_item"])
    items = {result.line_item: result for bucket in costs.data for result in bucket.results}
    assert items["ship, training_tokens"].amount.value == 0.006
    assert items["ship, training_tokens"].amount.currency == "usd"
    assert items["ship, training_tokens"].quantity == 2_000
    with books.database.read() as tx:
        owed = sum(billing.balance(tx, project, "receivable") for project in books.projects.values())
    assert sum(result.amount.micro for result in items.values()) == owed


def test_reports_are_paged_to_the_end(books: Books) -> None:
    books.use("req_1", prompt_tokens=5)
    http, counted, page = books.client("finance"), 0, None
    query = {"start_time": now() - 600, "bucket_width": "1m", "limit": 4}
    while True:
        body = http.get("/v1/organization/usage/completions", params=query | ({"page": page} if page else {})).json()
        counted += sum(result["num_model_requests"] for bucket in body["data"] for result in bucket["results"])
        page = body["next_page"]
        if not body["has_more"]:
            break
    assert counted == 1


def test_everyone_sees_their_own_and_administrators_their_organization(books: Books) -> None:
    books.use("req_1", prompt_tokens=5)
    books.use("req_theirs", "theirs", prompt_tokens=5)
    finance, admin, theirs = books.client("finance"), books.client("admin"), books.projects["theirs"]
    for path in ("/v1/usage/events", "/v1/ledger", "/v1/invoices"):
        assert finance.get(path, params={"project_id": theirs}).status_code == 404
        assert admin.get(path, params={"project_id": theirs}).status_code == 200
        assert admin.get(path, params={"project_id": "proj_none"}).status_code == 404
        assert books.client("app").get(path).status_code == 403
    assert [event["id"] for event in finance.get("/v1/usage/events").json()["data"]] == ["req_1"]
    assert finance.get("/v1/usage/events/req_theirs").status_code == 404
    assert admin.get("/v1/usage/events/req_theirs", params={"project_id": theirs}).json()["id"] == "req_theirs"
    query = {"start_time": now() - 60, "project_ids": theirs}
    path = "/v1/organization/usage/completions"
    assert [bucket["results"] for bucket in finance.get(path, params=query).json()["data"]] == [[]]
    assert books.client("app").get("/v1/prices").json()["data"][0]["model"] == "ship"
    assert TestClient(books.app).get("/v1/prices").status_code == 401
    invoice = admin.post("/v1/invoices", json={}).json()
    part = finance.get(f"/v1/invoices/{invoice['id']}").json()
    assert {line["project_id"] for line in part["lines"]} == {books.projects["ours"]}
    assert {"due", "customer", "paid"}.isdisjoint(part)
    assert [share["project"] for share in part["projects"]] == ["default"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"start_time": 0, "limit": 32}, "limit_too_high"),
        ({"start_time": 0, "group_by": "colour"}, "invalid_group_by"),
        ({"start_time": 9, "end_time": 9}, "invalid_time_range"),
        ({"start_time": 0, "page": "page_x"}, "invalid_page"),
        ({"start_time": 0, "bucket_width": "1y"}, "invalid_value"),
    ],
)
def test_a_bad_question_has_a_clear_answer(books: Books, query: dict[str, object], code: str) -> None:
    answer = books.client("finance").get("/v1/organization/usage/completions", params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_what_a_kept_answer_saved_is_on_its_usage_row(books: Books) -> None:
    books.use("req_1", outcome="cached", attempts=0, saved_prompt_tokens=900, saved_completion_tokens=40)
    row = books.client("finance").get("/v1/usage/events/req_1").json()
    assert (row["outcome"], row["total"], row["quantities"], row["attempts"]) == ("cached", 0, [], 0)
    assert row["usage"]["prompt_tokens"] == row["usage"]["completion_tokens"] == 0
    assert (row["usage"]["saved_prompt_tokens"], row["usage"]["saved_completion_tokens"]) == (900, 40)
    assert row["saved"] == charge(900, TARIFF.input) + charge(40, TARIFF.output)


def test_the_usage_report_adds_up_what_kept_answers_saved(books: Books) -> None:
    saved = [(900, 40, 0), (3, 1, 0), (7, 7, 50)]  # prompt, completion, and a batch's discount
    for number, (prompt, completion, discount) in enumerate(saved):
        counts = {"saved_prompt_tokens": prompt, "saved_completion_tokens": completion, "discount": discount}
        books.use(f"req_{number}", outcome="cached", attempts=0, **counts)
    books.use("req_paid", prompt_tokens=10, completion_tokens=5)
    books.use("req_theirs", "theirs", outcome="cached", saved_prompt_tokens=10**6)
    client = books.client("finance")
    query = {"start_time": now() - 60, "group_by": "model"}
    page = client.get("/v1/organization/usage/completions", params=query).json()
    [result] = [result for bucket in page["data"] for result in bucket["results"]]
    worth = sum(charge(p, TARIFF.input, off) + charge(c, TARIFF.output, off) for p, c, off in saved)
    assert (result["saved_input_tokens"], result["saved_output_tokens"]) == (910, 48)
    assert result["saved"] == {"value": worth / 1_000_000, "currency": "usd", "micro": worth}
    assert worth == sum(row["saved"] for row in client.get("/v1/usage/events").json()["data"])
    assert (result["input_tokens"], result["output_tokens"], result["num_model_requests"]) == (10, 5, 4)
    costs = client.get("/v1/organization/costs", params={"start_time": now() - 60}).json()
    paid = [cost["amount"]["micro"] for bucket in costs["data"] for cost in bucket["results"]]
    assert sum(paid) == charge(10, TARIFF.input) + charge(5, TARIFF.output), "what was saved costs nothing"
