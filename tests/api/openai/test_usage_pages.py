"""All of OpenAI's pages of usage, through OpenAI's client; grouped by what callers say."""

import openai
import pytest
from starlette.testclient import TestClient
from tests.api.platform.test_billing import Books, books

from argosy.api.openai import insight
from argosy.core import now

__all__ = ["books"]
EMPTY = ["audio_speeches", "audio_transcriptions", "code_interpreter_sessions", "vector_stores"]


def test_each_kind_is_on_its_page(books: Books) -> None:
    for kind in ("chat.completion", "embedding", "moderation", "rerank"):
        books.use(f"req_{kind}", kind=kind, prompt_tokens=100)
    books.use("eng_1", kind="engine", measured="engine_seconds", measured_units=300)
    books.use("req_seen", kind="rerank", measured="images", measured_units=3)
    client = openai.OpenAI(
        admin_api_key=books.secrets["admin"],
        api_key=books.secrets["admin"],
        base_url="http://testserver/v1",
        http_client=TestClient(books.app),
    )
    pages = client.admin.organization.usage
    (seen,) = [one for bucket in pages.images(start_time=now() - 60).data for one in bucket.results]
    assert (seen.images, seen.num_model_requests) == (3, 1)
    for name in ("completions", "embeddings", "moderations"):
        found = [result for bucket in getattr(pages, name)(start_time=now() - 60).data for result in bucket.results]
        assert [(one.input_tokens, one.num_model_requests) for one in found] == [(100, 1)], name
    for name in EMPTY:
        page = getattr(pages, name)(start_time=now() - 3 * 86_400)
        assert len(page.data) in (4, 5)
        assert all(bucket.results == [] for bucket in page.data)


def test_costs_by_what_callers_say(books: Books) -> None:
    books.use("req_1", prompt_tokens=1_000_000, tags='{"task":"chart"}')
    books.use("req_2", prompt_tokens=2_000_000, tags='{"task":"letter"}')
    books.use("req_3", prompt_tokens=4_000_000)
    http, since = books.client("finance"), now() - 60

    def costs(**query: object) -> list[dict]:  # type: ignore[type-arg]
        body = http.get("/v1/organization/costs", params={"start_time": since, **query}).json()
        return [result for bucket in body["data"] for result in bucket["results"]]

    by_task = costs(group_by="metadata.task")
    found = {one["metadata"]["task"]: one["amount"]["micro"] for one in by_task}
    assert found == {"chart": 150_000, "letter": 300_000, None: 600_000}
    assert [one["amount"]["micro"] for one in costs(**{"metadata[task]": "letter"})] == [300_000]
    (row,) = http.get("/v1/usage/events", params={"limit": 1, "order": "asc"}).json()["data"]
    assert row["metadata"] == {"task": "chart"}
    books.app.include_router(insight.router)
    told = http.get("/v1/organization/insight", params={"start_time": since, "group_by": "day"}).json()
    assert told["total"]["cost"]["micro"] == 1_050_000
    assert http.get("/v1/organization/insight", params={"start_time": 0}).status_code == 400


@pytest.mark.parametrize(
    "wrong", [{"group_by": "metadata."}, {"group_by": "metadata." + "x" * 65}, {"metadata[a\0b]": "c"}]
)
def test_what_cannot_be_grouped_by(books: Books, wrong: dict[str, str]) -> None:
    assert books.client("finance").get("/v1/organization/costs", params={"start_time": 0, **wrong}).status_code == 400
