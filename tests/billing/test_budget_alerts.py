"""Thresholds of monthly budgets: each is noticed once a month, with what reaches it, and told to webhooks."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.billing.conftest import Card, Meter
from tests.billing.webhooks.receiver import Post, is_signed, receiving, say

from argosy import billing
from argosy.billing import alerts, funds
from argosy.billing.funds import Fund
from argosy.identity import default_project
from argosy.runtime import Database

MARCH, APRIL = 1_772_323_200, 1_775_001_600
"""Their first seconds in 2026, by UTC."""


@pytest.fixture
def card() -> Card:
    """One micro-unit is one token of a prompt."""
    return Card(input=10**6)


class Budget:
    """A monthly budget of 100 micro-units for all that an organization does, from March 2026 on."""

    def __init__(self, database: Database, meter: Meter, at: Callable[[int], None], hard: bool) -> None:
        self.database, self._meter, self._at, self.hard = database, meter, at, hard
        self.post = Post(database)
        with database.write() as tx:
            self._project = default_project(tx)
        self.move(MARCH)
        self.allow(100)

    def move(self, second: int) -> None:
        """It is this second now."""
        self.second = second
        self._at(second)

    def allow(self, amount: int) -> Fund:
        whose = self.post.organization_id
        terms = {"period": "month", "hard": self.hard, "currency": "USD", "thresholds": (50, 80, 100)}
        with self.database.write() as tx:
            return funds.put_budget(tx, whose, "organization", whose, allowed=amount, **terms)  # type: ignore[arg-type]

    def spend(self, id_: str, amount: int, at: int | None = None) -> list[int]:
        """The thresholds that are noticed so far, once this is posted, oldest first."""
        event = self._meter.event(id_, project=self._project, at=at or self.second, prompt_tokens=amount)
        with self.database.write() as tx:
            billing.record(tx, [event])
        return self.noticed()

    def noticed(self) -> list[int]:
        with self.database.read() as tx:
            return [one.threshold for one in alerts.list_alerts(tx, self.post.organization_id, None, 100)][::-1]


@pytest.fixture(params=[True, False], ids=["hard", "soft"])
def budget(request: pytest.FixtureRequest, database: Database, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Budget:
    def at(second: int) -> None:
        for module in ("argosy.billing.funds.store", "argosy.billing.funds.leases.store"):
            monkeypatch.setattr(f"{module}.now", lambda: second)

    return Budget(database, meter, at, request.param)


def test_each_threshold_is_noticed_once_a_month(budget: Budget) -> None:
    assert budget.spend("req_1", 49) == []
    assert budget.spend("req_2", 1) == [50]
    assert budget.spend("req_2", 1) == [50], "posted again, it is not counted again"
    assert budget.spend("req_3", 29) == [50]
    assert budget.spend("req_4", 20) == [50, 80]
    assert budget.spend("req_5", 1) == [50, 80, 100]
    assert budget.spend("req_6", 500) == [50, 80, 100]
    budget.move(APRIL + 5)
    assert budget.spend("req_7", 99, at=APRIL - 1) == [50, 80, 100], "it was used in March, and posted in April"
    assert budget.spend("req_8", 80) == [50, 80, 100, 50, 80]
    budget.move(APRIL - 5)
    assert budget.spend("req_9", 1, at=APRIL + 6) == [50, 80, 100, 50, 80], "a clock that steps back begins no month"
    budget.move(APRIL + 7)
    assert budget.spend("req_10", 19) == [50, 80, 100, 50, 80, 100]


def test_one_posting_may_reach_several(budget: Budget) -> None:
    assert budget.spend("req_1", 100) == [50, 80, 100]


def test_a_budget_that_is_set_again_speaks_again_only_of_another_amount(budget: Budget) -> None:
    assert budget.spend("req_1", 85) == [50, 80]
    budget.allow(100)
    assert budget.spend("req_2", 1) == [50, 80]
    budget.allow(150)
    assert budget.spend("req_3", 1) == [50, 80, 50], "87 of 150"
    budget.allow(80)
    assert budget.spend("req_4", 1) == [50, 80, 50, 50, 80, 100], "lowered below what is spent"


def test_several_who_post_at_once_notice_each_once(budget: Budget) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: budget.spend(f"req_{number:03}", 1), range(120)))
    assert sorted(budget.noticed()) == [50, 80, 100]


def test_webhooks_are_told_of_each_signed_and_again_until_they_take_it(budget: Budget) -> None:
    answers = [500, 204, 503, 204, 204]
    with receiving(lambda handler: say(answers.pop(0))(handler)) as (url, got):
        _, secret = budget.post.add(url)
        budget.spend("req_1", 30)
        budget.spend("req_2", 51)
        budget.spend("req_3", 39)
        for _ in range(5):
            while budget.post.deliverer.deliver_due():
                pass
            budget.post.clock.at += 40
    assert answers == []
    assert all(is_signed(headers, body, secret) for headers, body in got)
    ids = [headers["webhook-id"] for headers, _ in got]
    assert sorted(map(ids.count, set(ids))) == [1, 2, 2]
    bodies = {headers["webhook-id"]: body for headers, body in got}
    assert set(bodies.values()) == {body for _, body in got}, "what is told again is the same to the last byte"
    told = [json.loads(body) for body in bodies.values()]
    assert {one["type"] for one in told} == {"budget.threshold_reached"}
    said = sorted((one["data"]["threshold"], one["data"]["used"], one["data"]["remaining"]) for one in told)
    assert said == [(50, 81, 19), (80, 81, 19), (100, 120, 0)]
    assert len({one["data"]["alert_id"] for one in told}) == 3
    assert [one.status for one in budget.post.deliveries()] == ["delivered"] * 3
