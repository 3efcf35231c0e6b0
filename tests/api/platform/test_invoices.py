"""Invoices over HTTP: administrators close, settle and set the profile; other keys see their own project's part."""

import csv
import io

import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient
from tests.api.platform.test_billing import Books, books

from argosy import identity
from argosy.api.platform import billing_profile

__all__ = ["books"]

PROFILE = {
    "customer": {"name": "扬帆科技", "address": "北京\n海淀", "tax_id": "9111"},
    "issuer": {"name": "Harbour GmbH"},
    "tax_name": "增值税",
    "tax_rate": 1_300,
    "language": "zh",
}


@pytest.fixture
def office(books: Books) -> TestClient:
    """The administrator, with one request of each project: 1.5 and 0.15 USD."""
    books.app.include_router(billing_profile.router)
    books.use("req_1", prompt_tokens=10_000_000)
    books.use("req_theirs", "theirs", prompt_tokens=1_000_000, model='=cmd|" /C calc"!A0')
    return books.client("admin")


def close(office: TestClient) -> dict[str, object]:
    made = office.post("/v1/invoices", json={})
    assert made.status_code == 200, made.text
    return dict(made.json())


def test_the_profile_stands_on_invoices_from_then_on(office: TestClient) -> None:
    assert office.get("/v1/billing/profile").json()["customer"]["name"] == "Argosy"
    set_ = office.put("/v1/billing/profile", json=PROFILE).json()
    assert office.get("/v1/billing/profile").json() == set_
    made = close(office)
    assert made["customer"] == PROFILE["customer"]
    assert (made["subtotal"], made["tax"], made["rounding"]) == (1_650_000, 214_500, -4_500)
    assert (made["due"], made["due_text"]) == (1_860_000, "1.86 USD")
    office.put("/v1/billing/profile", json=PROFILE | {"tax_rate": 0})
    assert office.get(f"/v1/invoices/{made['id']}").json() == made, "what was closed keeps what it says"
    assert "账单" in office.get(f"/v1/invoices/{made['id']}.html").text, "in the profile's language"


@pytest.mark.parametrize(
    "wrong",
    [
        {"tax_rate": 10_001},
        {"tax_rate": -1},
        {"tax_rate": 19.5},
        {"language": "fr"},
        {"customer": {"name": ""}},
        {"customer": {"name": "a\x00b"}},
        {"issuer": {"name": "x", "address": "y" * 601}},
        {"surprise": 1},
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(office: TestClient, wrong: dict[str, object]) -> None:
    assert office.put("/v1/billing/profile", json=PROFILE | wrong).status_code == 400
    assert office.get("/v1/billing/profile").json()["tax_rate"] == 0


def test_an_invoice_comes_in_four_forms_by_ending_or_by_format(office: TestClient) -> None:
    made = close(office)
    path = f"/v1/invoices/{made['id']}"
    pdf = office.get(f"{path}.pdf", params={"lang": "zh"})
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert 'filename="invoice-000001.pdf"' in pdf.headers["content-disposition"]
    assert "应付金额" in PdfReader(io.BytesIO(pdf.content)).pages[0].extract_text().replace("\x00", "")
    sheet = office.get(path, params={"format": "csv"})
    models = {row["model"] for row in csv.DictReader(io.StringIO(sheet.text))}
    assert models == {"ship", '\'=cmd|" /C calc"!A0', ""}
    assert office.get(f"{path}.json").json() == office.get(path).json() == made
    assert office.get(path, params={"format": "html", "lang": "zh"}).text.startswith('<!doctype html><html lang="zh">')
    assert office.get(f"{path}.docx").json()["error"]["code"] == "invalid_format"
    assert office.get(path, params={"lang": "fr"}).status_code == 400


def test_some_is_taken_back_and_the_rest_is_paid(office: TestClient) -> None:
    made = close(office)
    path, body = f"/v1/invoices/{made['id']}", {"reason": "an outage", "amount": 650_000, "idempotency_key": "once"}
    note = office.post(f"{path}/credit_notes", json=body).json()
    assert office.post(f"{path}/credit_notes", json=body).json() == note
    assert (note["number"], note["amount"], note["amount_text"]) == (1, 650_000, "0.65 USD")
    lines = {"reason": "more", "lines": [{"position": 1, "amount": 10_000}]}
    second = office.post(f"{path}/credit_notes", json=lines).json()
    assert office.get(f"{path}/credit_notes").json()["data"] == [note, second]
    assert office.get(f"{path}/credit_notes/{note['id']}").json() == note
    printed = office.get(f"{path}/credit_notes/{note['id']}.pdf", params={"lang": "zh"})
    assert printed.content.startswith(b"%PDF")
    assert printed.headers["content-disposition"] == 'attachment; filename="credit-note-000001.pdf"'
    assert office.get(f"{path}/credit_notes/cn_none").status_code == 404
    assert office.get(f"{path}/credit_notes/{note['id']}.csv").status_code == 400
    paid = office.post(f"{path}/payments", json={"amount": 990_000, "reference": "bank 1"}).json()
    assert office.post(f"{path}/payments", json={"amount": 990_000, "reference": "bank 1"}).json() == paid
    shown = office.get(path).json()
    assert (shown["status"], shown["left"], shown["paid"], shown["credited"]) == ("paid", 0, 990_000, 660_000)
    assert {name: shown[name] for name in ("lines", "due", "total")} == {
        name: made[name] for name in ("lines", "due", "total")
    }
    assert office.get(f"{path}/payments").json()["data"] == [paid]
    more = office.post(f"{path}/payments", json={"amount": 10_000, "reference": "bank 2"})
    assert (more.status_code, more.json()["error"]["code"]) == (409, "above_what_is_left")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("credit_notes", {"reason": "x"}),
        ("credit_notes", {"reason": "", "amount": 10_000}),
        ("credit_notes", {"reason": "x", "amount": "1"}),
        ("credit_notes", {"reason": "x", "lines": [{"position": 0, "amount": 0}]}),
        ("payments", {"amount": 10_000}),
        ("payments", {"amount": 1.5, "reference": "x"}),
        ("payments", {"amount": 10**30, "reference": "x"}),
        ("payments", {"amount": 10_000, "reference": "a\x00b"}),
    ],
)
def test_what_cannot_be_settled_is_refused(office: TestClient, path: str, body: dict[str, object]) -> None:
    made = close(office)
    assert office.post(f"/v1/invoices/{made['id']}/{path}", json=body).status_code == 400
    assert office.get(f"/v1/invoices/{made['id']}").json() == made


@pytest.mark.parametrize(
    "period", [{"period_start": -1}, {"period_end": 10**12}, {"period_end": "now"}, {"project_id": "x"}]
)
def test_what_is_no_period_is_refused(office: TestClient, period: dict[str, object]) -> None:
    assert office.post("/v1/invoices", json=period).status_code == 400
    assert office.get("/v1/invoices").json()["data"] == []


def test_other_keys_see_their_projects_part_and_change_nothing(books: Books, office: TestClient) -> None:
    made, finance = close(office), books.client("finance")
    path = f"/v1/invoices/{made['id']}"
    part = finance.get(path).json()
    assert (part["project_id"], part["total"], part["subtotal"]) == (books.projects["ours"], 1_500_000, 1_500_000)
    assert '<td colspan="5">应付金额' not in finance.get(f"{path}.html", params={"lang": "zh"}).text
    assert "=cmd" not in finance.get(f"{path}.csv").text
    theirs = {"project_id": books.projects["theirs"]}
    assert finance.get(path, params=theirs).status_code == 404
    assert office.get(path, params=theirs).json()["total"] == 150_000
    assert finance.put("/v1/billing/profile", json=PROFILE).status_code == 403
    for rest, body in (("", {}), (f"/{made['id']}/credit_notes", {"reason": "x", "amount": 10_000})):
        assert finance.post(f"/v1/invoices{rest}", json=body).status_code == 403
    assert finance.post(f"{path}/payments", json={"amount": 10_000, "reference": "x"}).status_code == 403
    for rest in ("payments", "credit_notes"):
        assert finance.get(f"{path}/{rest}").status_code == 403


def test_another_organization_sees_and_settles_nothing(books: Books, office: TestClient) -> None:
    made = close(office)
    with books.database.write() as tx:
        from sqlalchemy import text

        tx.execute(text("INSERT INTO organizations VALUES ('org_x', 'X', 'x', 1)"))
        tx.execute(text("INSERT INTO projects VALUES ('proj_x', 'org_x', 'X', 1)"))
        _, secret = identity.create_key(tx, "proj_x", "boss", ["admin"])
    books.app.state.platform.keys.refresh()
    stranger = TestClient(books.app, headers={"authorization": f"Bearer {secret}"})
    path = f"/v1/invoices/{made['id']}"
    assert stranger.get("/v1/invoices").json()["data"] == []
    for ending in ("", ".pdf", ".csv", ".html", "/payments", "/credit_notes", "/credit_notes/cn_1.pdf"):
        assert stranger.get(f"{path}{ending}").status_code == 404
    assert stranger.post(f"{path}/payments", json={"amount": 10_000, "reference": "x"}).status_code == 404
    assert stranger.post(f"{path}/credit_notes", json={"reason": "x", "amount": 10_000}).status_code == 404
    assert stranger.get("/v1/billing/profile").json()["customer"]["name"] == "X"


def test_the_list_is_paged(books: Books, office: TestClient) -> None:
    made = [close(office)["id"]]
    for n in range(2):
        end = office.get(f"/v1/invoices/{made[0]}").json()["period_end"]
        books.use(f"req_later_{n}", prompt_tokens=10_000_000)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("argosy.billing.invoices.closing.now", lambda end=end: end + 10)
            made.insert(0, close(office)["id"])
    first = office.get("/v1/invoices", params={"limit": 2}).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (made[:2], True)
    rest = office.get("/v1/invoices", params={"after": first["last_id"]}).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (made[2:], False)
