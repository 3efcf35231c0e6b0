"""Every error class has its status, and the body is OpenAI's."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import select

import argosy.core
from argosy.api.errors import STATUSES, body_of, handle_errors, headers_of, status_of
from argosy.core import ArgosyError, Conflict, Invalid, Unavailable
from argosy.identity.tables import projects


def test_no_error_class_was_forgotten():
    classes = {
        value
        for value in vars(argosy.core).values()
        if isinstance(value, type) and issubclass(value, ArgosyError) and value is not ArgosyError
    }
    assert classes == set(STATUSES)


def test_details_are_there_only_where_there_are_some():
    plain = json.loads(body_of(Invalid("No.", code="no", param="x")))
    assert plain == {"error": {"message": "No.", "type": "invalid_request_error", "param": "x", "code": "no"}}
    assert json.loads(body_of(Invalid("No.", code="no", details=[1])))["error"]["details"] == [1]


def test_a_subclass_has_the_status_of_its_parent():
    assert status_of(type("Special", (Conflict,), {})("Taken.", code="taken")) == 409
    assert headers_of(Unavailable("Later.", code="later", retry_after_s=7)) == {"retry-after": "7"}


class Order(BaseModel):
    count: int
    name: str


@pytest.fixture
def client():
    app = FastAPI()
    handle_errors(app)

    @app.post("/orders")
    def order(order: Order) -> int:
        return order.count // 0 if order.count else order.count

    return TestClient(app, raise_server_exceptions=False)


def test_validation_names_the_first_member_and_lists_all(client):
    error = client.post("/orders", json={"count": "many"}).json()["error"]
    assert (error["param"], error["code"]) == ("count", "invalid_value")
    assert [problem["param"] for problem in error["details"]] == ["count", "name"]
    error = client.post("/orders", json={"count": 1}).json()["error"]
    assert (error["param"], error["code"]) == ("name", "missing_required_parameter")
    assert client.post("/orders", content=b"{nope").status_code == 400


def test_a_fault_is_500_without_its_words(client):
    answer = client.post("/orders", json={"count": 1, "name": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "division" not in answer.text


def test_what_no_column_can_hold_is_the_callers_mistake_on_both_databases(database, caplog):
    app = FastAPI()
    handle_errors(app)

    @app.get("/projects")
    def look(name: str = "x", at: int = 0) -> int:
        with database.read() as tx:
            found = tx.execute(select(projects).where(projects.c.name == name, projects.c.created_at == at))
            return len(found.all())

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/projects").json() == 0
    for query in ("at=99999999999999999999", f"at={2**63}", "name=SECRET%00"):
        answer = client.get(f"/projects?{query}")
        if database.is_sqlite and "%00" in query:  # which holds it well
            assert answer.status_code == 200
            continue
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value"), answer.text
        assert "SECRET" not in answer.text + caplog.text
