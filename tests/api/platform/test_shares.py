"""Shares over HTTP and on the command line: agreed by administrators, told to nobody else."""

import json

import httpx
import pytest
from tests.gateway.harness import running_api
from tests.gateway.limits.test_at_the_door import argosy

from argosy import billing, catalog
from argosy.billing import UsageEvent
from argosy.core import now, now_us

SHARE = {"model": "tiny", "owner": "lab", "owner_name": "The Lab", "currency": "USD", "basis_points": 2_500}


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path) as running:
        yield running


@pytest.fixture
async def http(api):
    async with httpx.AsyncClient(base_url=f"{api.url}/v1", headers={"authorization": f"Bearer {api.secret}"}) as client:
        yield client


def use(api, name, tokens=4_000_000):
    """What began two seconds from now: after the share that was agreed just before."""
    with api.database.write() as tx:
        price = billing.current_prices(tx)["tiny"].id
        named = {"kind": "chat.completion", "model": "tiny", "base_model": "tiny", "key_id": None}
        times = {"started_us": now_us() + 2_000_000, "finished_us": now_us() + 2_000_000}
        event = UsageEvent(
            id=name, project_id=api.project_id, price_version=price, prompt_tokens=tokens, **named, **times
        )
        billing.record(tx, [event])


async def test_a_share_is_agreed_earned_stated_and_paid(api, http):
    made = (await http.put("/shares", json=SHARE)).json()
    assert (made["version"], made["object"], made["model"]) == (1, "share", "tiny")
    assert (await http.put("/shares", json=SHARE)).json() == made
    use(api, "req_1")  # 4,000 micro-units
    [listed] = (await http.get("/shares")).json()["data"]
    assert listed["month_so_far"] == {"revenue": 4_000, "share": 1_000, "events": 1}
    [owner] = (await http.get("/shares/owners")).json()["data"]
    assert owner == {"id": "lab", "object": "share.owner", "name": "The Lab", "payable": {"USD": 1_000}}
    payout = {"owner": "lab", "amount": 400, "currency": "USD", "idempotency_key": "a", "note": "transfer 7"}
    paid = await http.post("/shares/payouts", json=payout)
    assert paid.json() == (await http.post("/shares/payouts", json=payout)).json()
    told = (await http.get("/shares/owners/lab/statement")).json()
    assert (told["opening"], told["share"], told["closing"]) == (0, 1_000, 600)
    [line], [moved] = told["lines"], told["payouts"]
    assert (line["events"], line["tokens"], line["revenue"], line["version"]) == (1, 4_000_000, 4_000, 1)
    assert (moved["amount"], moved["note"]) == (-400, "transfer 7")
    sheet = await http.get("/shares/owners/lab/statement", params={"format": "csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert "attachment" in sheet.headers["content-disposition"]
    page = await http.get("/shares/owners/lab/statement", params={"format": "html", "lang": "zh"})
    assert "期末应付" in page.text
    assert [one["id"] for one in (await http.get("/shares/payouts")).json()["data"]] == [paid.json()["id"]]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"basis_points": 10_001}, 400, None),
        ({"basis_points": -1}, 400, None),
        ({"basis_points": 12.5}, 400, None),
        ({"percent": 5}, 400, None),
        ({"owner": "The Lab"}, 400, "invalid_share"),
        ({"currency": "CNY"}, 400, "currency_mismatch"),
        ({"model": "tinny"}, 404, "model_not_found"),
        ({"effective_from": 5}, 400, "invalid_share"),
        ({"tiers": [{"above": 9, "basis_points": 1}, {"above": 9, "basis_points": 2}]}, 400, "invalid_share"),
    ],
)
async def test_a_mistake_is_told(http, changes, status, code):
    answer = await http.put("/shares", json=SHARE | changes)
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
    if code == "model_not_found":
        assert "tiny" in answer.json()["error"]["message"]
    assert (await http.get("/shares")).json()["data"] == []


async def test_a_licence_stands_for_its_models(http):
    terms = {name: value for name, value in SHARE.items() if name != "model"}
    made = (await http.put("/shares", json=terms | {"licence": "llama-3.1"})).json()
    assert {rule["model"] for rule in made["data"]} == {
        name for name, card in catalog.cards().items() if card.licence == "llama-3.1"
    }
    assert (await http.put("/shares", json=terms | {"licence": "llama-3.1"})).json() == made
    both = await http.put("/shares", json=SHARE | {"licence": "llama-3.1"})
    assert (both.status_code, (await http.put("/shares", json=terms)).status_code) == (400, 400)
    assert (await http.put("/shares", json=terms | {"licence": "llama-9"})).status_code == 404


async def test_overlapping_dates_are_a_conflict(http):
    begin = now() + 1_000
    assert (await http.put("/shares", json=SHARE | {"effective_from": begin})).status_code == 200
    again = SHARE | {"basis_points": 1, "effective_from": begin - 1}
    answer = await http.put("/shares", json=again)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "share_rules_overlap")
    assert (await http.put("/shares", json=again | {"supersede": True})).json()["version"] == 2
    assert len((await http.get("/shares", params={"history": True})).json()["data"]) == 2


async def test_nobody_but_administrators_sees_or_changes_them(api, http):
    finance = {"authorization": f"Bearer {api.key('billing', 'inference', 'tuning')}"}
    await http.put("/shares", json=SHARE)
    for method, path in (
        ("GET", "/shares"),
        ("PUT", "/shares"),
        ("GET", "/shares/owners"),
        ("GET", "/shares/owners/lab/statement"),
        ("GET", "/shares/payouts"),
        ("POST", "/shares/payouts"),
    ):
        assert (await http.request(method, path, headers=finance, json={})).status_code == 403, path


async def test_the_command_line_sets_lists_and_states(api):
    options = ("--owner", "lab", "--name", "The Lab", "--percent", "12.5", "--tier", "1000=20")
    status, said = await argosy(api, "shares", "set", "tiny", *options, "--json")
    assert (status, json.loads(said)[0]["tiers"]) == (0, [{"above": 1_000, "basis_points": 2_000}])
    use(api, "req_1")
    _, said = await argosy(api, "shares", "list", "--json")
    assert json.loads(said)[0]["month_so_far"]["share"] == 125 + 600
    assert (await argosy(api, "shares", "payout", "lab", "0.000025 USD"))[0] == 0
    _, said = await argosy(api, "shares", "statement", "lab")
    assert "owed now     0.000700 USD" in said
    _, sheet = await argosy(api, "shares", "statement", "lab", "--format", "csv")
    assert sheet.splitlines()[-1].startswith("closing,,,,,,,700,USD")
    for bad in (("set", "tiny", "--owner", "lab", "--name", "x", "--percent", "12.555"), ("payout", "lab", "5")):
        assert (await argosy(api, "shares", *bad))[0] == 1
