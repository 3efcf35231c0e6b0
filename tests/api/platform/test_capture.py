"""Settings of capture, feedback, and the way from an answer to a file that training takes."""

import asyncio
import json

import httpx
import pytest

OWN = {"name": "staff", "pattern": r"EMP-\d+"}
ANSWER = "Hello, world!"


@pytest.fixture
async def http(api):
    async with httpx.AsyncClient(base_url=f"{api.url}/v1", timeout=20) as client:
        client.headers["authorization"] = f"Bearer {api.secret}"
        yield client


@pytest.fixture
def capture(api, http):
    """Switch capture on; then ask so many times, each in words of its own, and give the ids."""

    async def run(count=1, texts=None, **settings):
        assert (await http.put("/capture", json=settings)).status_code == 200
        api.gateway.refresh()
        ids = []
        for number in range(count):
            text = texts[number] if texts else f"question {number}"
            ids.append((await api.ask(messages=[{"role": "user", "content": text}])).id)
        assert await asyncio.to_thread(api.gateway.capture.settle, 120)
        return ids

    return run


def scoped(api, *scopes):
    return {"authorization": f"Bearer {api.key(*scopes)}"}


async def rate(http, request_id, rating="up", headers=None, **members):
    return await http.post("/feedback", json={"request_id": request_id, "rating": rating, **members}, headers=headers)


async def test_it_is_off_until_it_is_switched_on_and_can_be_switched_off(api, http):
    assert (await http.get("/capture")).json() == {
        "object": "capture.settings", "enabled": False, "rows": 0, "bytes": 0
    }  # fmt: skip
    settings = {
        "share": 0.5,
        "models": ["tiny"],
        "redaction": {"builtin": ["email", "phone"], "patterns": [OWN], "drop": ["user"]},
        "days": 7,
        "rows_max": 10,
        "bytes_max": 1 << 20,
    }
    made = (await http.put("/capture", json=settings)).json()
    assert made == {"object": "capture.settings", "enabled": True, **settings, "rows": 0, "bytes": 0}
    assert (await http.put("/capture", json=settings)).json() == made
    assert (await http.get("/capture")).json() == made
    defaults = (await http.put("/capture", json={})).json()
    assert (defaults["share"], defaults["days"], len(defaults["redaction"]["builtin"])) == (1, 30, 6)
    assert (await http.delete("/capture")).json()["enabled"] is False
    assert (await http.delete("/capture")).json()["enabled"] is False


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"share": 1.1}, "share"),
        ({"share": -0.1}, "share"),
        ({"share": True}, "share"),
        ({"share": "half"}, "share"),
        ({"models": [""]}, "models.0"),
        ({"models": ["m"] * 101}, "models"),
        ({"days": 0}, "days"),
        ({"days": 4000}, "days"),
        ({"rows_max": 0}, "rows_max"),
        ({"bytes_max": 1}, "bytes_max"),
        ({"redaction": {"builtin": ["names"]}}, "redaction.builtin.0"),
        ({"redaction": {"drop": ["everything"]}}, "redaction.drop.0"),
        ({"redaction": {"patterns": [OWN] * 21}}, "redaction.patterns"),
        ({"redaction": {"patterns": [{"name": "a b", "pattern": "x"}]}}, "patterns"),
        ({"redaction": {"patterns": [{"name": "a", "pattern": "("}]}}, "patterns"),
        ({"redaction": {"patterns": [{"name": "a", "pattern": "(a+)+$"}]}}, "patterns"),
        ({"redaction": {"patterns": [{"name": "a", "pattern": "x" * 301}]}}, "patterns"),
        ({"redaction": {"patterns": [{"name": "a", "pattern": "x*"}]}}, "patterns"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_bad_settings_are_refused_and_change_nothing(http, settings, param):
    refused = await http.put("/capture", json=settings)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert (await http.get("/capture")).json()["enabled"] is False


async def test_who_may_do_what(api, http, capture):
    [request] = await capture()
    asks, tunes, bills = (scoped(api, scope) for scope in ("inference", "tuning", "billing"))
    for headers in (asks, tunes, bills):
        assert (await http.get("/capture", headers=headers)).status_code == 200
        assert (await http.put("/capture", json={}, headers=headers)).status_code == 403
        assert (await http.delete("/capture", headers=headers)).status_code == 403
        assert (await http.delete("/captures", headers=headers)).status_code == 403
    for path in ("/captures", f"/captures/{request}", "/captures/export"):
        assert [(await http.get(path, headers=each)).status_code for each in (asks, tunes, bills)] == [403, 200, 403]
    assert [(await rate(http, request, headers=each)).status_code for each in (asks, tunes, bills)] == [200, 403, 403]
    assert (await http.delete(f"/captures/{request}", headers=asks)).status_code == 403
    assert (await http.delete(f"/captures/{request}", headers=tunes)).status_code == 200
    assert (await http.get("/capture", headers={"authorization": "Bearer sk-none"})).status_code == 401


async def test_another_project_reads_rates_and_deletes_nothing(api, http, capture):
    [request] = await capture()
    stranger = {"authorization": f"Bearer {api.other}"}
    assert (await rate(http, request, headers=stranger)).status_code == 404
    assert (await http.get("/capture", headers=stranger)).json()["rows"] == 0
    from argosy.identity import create_key, list_projects

    with api.database.write() as tx:
        other = next(one for one in list_projects(tx, api.project_id) if one.id != api.project_id)
        _, secret = create_key(tx, other.id, "admin", ["admin"])
    api.gateway.refresh()
    admin = {"authorization": f"Bearer {secret}"}
    assert (await http.get("/captures", headers=admin)).json()["data"] == []
    assert (await http.get(f"/captures/{request}", headers=admin)).status_code == 404
    assert (await http.delete(f"/captures/{request}", headers=admin)).status_code == 404
    assert (await http.delete("/captures", headers=admin)).json()["rows"] == 0
    assert (await http.get("/captures/export", headers=admin)).content == b""
    assert (await http.get(f"/captures/{request}")).status_code == 200


async def test_feedback_is_kept_redacted_and_replaced(api, http, capture):
    [request] = await capture(redaction={"patterns": [OWN]})
    said = {"comment": "ask bob@corp.com", "correction": "EMP-1 knows"}
    first = await rate(http, request, "down", **said)
    assert first.json() == {
        "object": "feedback", "request_id": request, "rating": -1.0, "comment": True, "correction": True
    }  # fmt: skip
    shown = (await http.get(f"/captures/{request}")).json()
    assert (shown["rating"], shown["corrected"]) == (-1.0, True)
    assert shown["feedback"][0]["comment"] == "ask [email]"
    assert shown["feedback"][0]["correction"] == "[staff] knows"
    await rate(http, request, 0.5)
    shown = (await http.get(f"/captures/{request}")).json()
    assert (shown["rating"], shown["corrected"], len(shown["feedback"])) == (0.5, False, 1)
    await rate(http, request, -1, headers=scoped(api, "inference"))
    shown = (await http.get(f"/captures/{request}")).json()
    assert (shown["rating"], len(shown["feedback"])) == (-0.25, 2)


async def test_an_answer_can_be_rated_at_once_and_by_its_own_id(api, http, capture):
    await capture(0)
    answer = await api.ask()
    assert (await rate(http, answer.id)).status_code == 200
    response = await api.client().responses.create(model="tiny", input="Hi")
    assert response.id.startswith("resp_")
    rated = await rate(http, response.id)
    assert rated.json()["request_id"] == "req_" + response.id.removeprefix("resp_")
    assert (await http.get(f"/captures/{response.id}")).json()["rating"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rating": "up"},
        {"request_id": "req_1"},
        {"request_id": "", "rating": "up"},
        {"request_id": "x" * 101, "rating": "up"},
        {"request_id": 5, "rating": "up"},
        {"request_id": "req_1", "rating": "great"},
        {"request_id": "req_1", "rating": True},
        {"request_id": "req_1", "rating": 1.01},
        {"request_id": "req_1", "rating": "1"},
        {"request_id": "req_1", "rating": None},
        {"request_id": "req_1", "rating": [1]},
        {"request_id": "req_1", "rating": "up", "correction": " "},
        {"request_id": "req_1", "rating": "up", "comment": "x" * 100_001},
        {"request_id": "req_1", "rating": "up", "extra": 1},
    ],
)
async def test_bad_feedback_is_refused(http, body):
    refused = await http.post("/feedback", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


async def test_not_a_number_is_no_rating(http):
    for text in ("NaN", "Infinity", "1e400"):
        refused = await http.post("/feedback", content='{"request_id": "req_1", "rating": %s}' % text)  # noqa: UP031
        assert refused.status_code == 400


@pytest.mark.parametrize("request_id", ["req_unknown", "resp_unknown", "x\u0000y", "…", "../../etc"])
async def test_what_was_not_captured_cannot_be_rated(http, request_id):
    refused = await rate(http, request_id)
    assert refused.status_code in (400, 404)
    assert "argosy" not in refused.json()["error"]["code"]


async def test_a_page_goes_on_after_the_last_one(http, capture):
    ids = await capture(7)
    seen, after = [], {}
    while True:
        page = (await http.get("/captures", params={"limit": 3, **after})).json()
        seen += [row["id"] for row in page["data"]]
        assert "messages" not in page["data"][0]
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
    assert seen == ids[::-1]
    assert (await http.get("/captures", params={"after": "req_none"})).status_code == 404
    for query in ({"limit": 0}, {"limit": 101}, {"rating": "best"}, {"since": "today"}, {"until": -1}):
        assert (await http.get("/captures", params=query)).status_code == 400


async def test_corrected_traffic_becomes_a_file_that_training_takes(api, http, capture):
    ids = await capture(14, texts=[f"question {number} of bob@corp.com" for number in range(14)])
    for number, request in enumerate(ids):
        if number < 11:
            await rate(http, request, "up", **({"correction": f"right {number}"} if number < 3 else {}))
        else:
            await rate(http, request, "down")
    # A second key's correction is the later one, and stands.
    await rate(http, ids[0], "up", headers=scoped(api, "inference"), correction="right at last")
    exported = await http.get("/captures/export", params={"rating": "up"})
    assert (exported.headers["x-argosy-captures"], exported.headers["content-type"]) == ("11", "application/jsonl")
    rows = [json.loads(line)["messages"] for line in exported.text.splitlines()]
    assert [row[0]["content"] for row in rows] == [f"question {number} of [email]" for number in range(11)]
    answers = ["right at last", "right 1", "right 2", *[ANSWER] * 8]
    assert [row[1] for row in rows] == [{"role": "assistant", "content": answer} for answer in answers]
    sent = {"file": ("captures.jsonl", exported.content)}
    stored = (await http.post("/files", files=sent, data={"purpose": "fine-tune"})).json()
    report = (await http.get(f"/files/{stored['id']}/report")).json()
    assert (report["valid"], report["rows"], report["format"], report["warning_count"]) == (True, 11, "messages", 0)


async def test_what_cannot_be_trained_on_is_left_out_of_the_file(api, http, capture):
    await capture(2)
    await api.ask(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": "1", "tool_call_id": "c"}])  # fmt: skip
    assert await asyncio.to_thread(api.gateway.capture.settle, 120)
    exported = await http.get("/captures/export")
    assert (exported.headers["x-argosy-captures"], exported.content.count(b"\n")) == ("3", 2)


async def test_deleting_deletes(api, http, capture):
    ids = await capture(3)
    await rate(http, ids[0], comment="x")
    assert (await http.delete(f"/captures/{ids[0]}")).json()["deleted"] is True
    assert (await http.delete(f"/captures/{ids[0]}")).status_code == 404
    assert (await http.get("/capture")).json()["rows"] == 2
    assert (await http.delete("/captures")).json() == {"object": "captures", "deleted": True, "rows": 2}
    assert (await http.get("/captures")).json()["data"] == []
    assert (await http.get(f"/captures/{ids[1]}")).status_code == 404
    assert (await rate(http, ids[1])).status_code == 404
    with api.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM capture_feedback").scalar() == 0


async def test_the_settings_hold_without_a_restart_and_by_themselves(api, http):
    await http.put("/capture", json={})
    for _ in range(200):
        answer = await http.post(
            "/chat/completions", json={"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
        )
        if "x-argosy-capture" in answer.headers:
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never held")
