"""Purses in memory: as many processes as one likes on one database spend what is there, all of it, and no more."""

import asyncio
import random
import threading
import time
from pathlib import Path

import pytest
from tests.fresh import fresh_database

from argosy import billing
from argosy.billing import UsageEvent, funds
from argosy.billing.credits import NewCredit, add_credit
from argosy.billing.funds import Fund
from argosy.billing.funds.leases import TTL_S
from argosy.core import OverBudget, RateLimited, Unavailable, Unpaid
from argosy.gateway.funds import Hold, Purses, purses
from argosy.gateway.funds.observer import Observer
from argosy.identity import Caller, bootstrap, organization_of
from argosy.runtime import Database


class Tariff:
    """A million micro-units for a million tokens: a token costs one."""

    currency, input, cached_input, output, training = "USD", 1_000_000, 1_000_000, 1_000_000, 0


class House:
    """One database, some processes, and a poster that posts at once or when it is told to."""

    def __init__(self, database: Database, processes: int = 1) -> None:
        self.database = database
        with database.write() as tx:
            self.project = bootstrap(tx).project_id
            self.organization = organization_of(tx, self.project).id
            self.price = billing.ensure_price(tx, "m", Tariff())
        self.caller = Caller("key_a", self.project, self.organization, "argosy", frozenset())
        self.unposted: list[tuple[str, UsageEvent]] = []
        self.processes = [
            Purses(database, f"jrn_{n}", lambda n=n: sum(holder == f"jrn_{n}" for holder, _ in self.unposted))
            for n in range(processes)
        ]
        self._number = 0

    def budget(self, allowed: int, scope: str = "organization", **terms: object) -> Fund:
        subject = {"organization": self.organization, "project": self.project, "key": "key_a"}[scope]
        given = {"period": "none", "hard": True, "currency": "USD", **terms}
        with self.database.write() as tx:
            made = funds.put_budget(tx, self.organization, scope, subject, allowed=allowed, **given)  # type: ignore[arg-type]
        self.refresh()
        return made

    def prepaid(self, amount: int, scope: str = "organization", subject: str = "") -> Fund:
        with self.database.write() as tx:
            named = {"scope": scope, "subject": subject or self.organization}
            new = NewCredit(kind="grant", amount=amount, currency="USD", **named)  # type: ignore[arg-type]
            fund = funds.get_fund(tx, self.organization, add_credit(tx, self.organization, new).fund_id)
        self.refresh()
        return fund

    def refresh(self) -> None:
        for process in self.processes:
            process.refresh()

    async def ask(self, process: int, worst: int, cost: int, seconds: float = 0.0) -> str:
        """One request from admission to its outcome; the fund that paid."""
        hold = await self.processes[process].reserve(self.caller, "m", lambda: worst)
        assert hold
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            hold.settle(0)
            raise
        self.end(process, hold, cost)
        return hold.fund

    def end(self, process: int, hold: Hold, cost: int) -> None:
        self._number += 1
        event = UsageEvent(
            id=f"req_{self._number}", project_id=self.project, key_id="key_a", kind="chat.completion", model="m",
            base_model="m", price_version=self.price, started_us=1, finished_us=2, completion_tokens=cost,
            fund=hold.fund, held=hold.held,
        )  # fmt: skip
        self.unposted.append((f"jrn_{process}", event))
        hold.settle(cost)

    def post(self) -> None:
        while self.unposted:
            holder, event = self.unposted[0]
            with self.database.write() as tx:
                billing.record(tx, [event], holder)
            self.unposted.pop(0)

    def fund(self, fund: Fund) -> Fund:
        with self.database.read() as tx:
            return funds.get_fund(tx, self.organization, fund.id)

    async def posting(self) -> None:
        while True:
            await asyncio.to_thread(self.post)
            await asyncio.sleep(0.02)


@pytest.fixture
def house(database: Database) -> House:
    return House(database, processes=4)


async def outcomes(asked: list) -> dict[str, int]:
    done = await asyncio.gather(*asked, return_exceptions=True)
    names = [type(one).__name__ if isinstance(one, Exception) else "passed" for one in done]
    return {name: names.count(name) for name in set(names)}


async def test_two_hundred_callers_of_four_processes_on_a_budget_worth_fifty_calls(house: House) -> None:
    cost, worst = 20, 37
    fund = house.budget(49 * cost + worst)
    posting = asyncio.ensure_future(house.posting())
    found = await outcomes([house.ask(n % 4, worst, cost, random.random() / 20) for n in range(200)])
    posting.cancel()
    assert found == {"passed": 50, "OverBudget": 150}
    await asyncio.to_thread(house.post)
    assert house.fund(fund).spent == 50 * cost
    assert house.fund(fund).remaining >= 0


async def test_after_a_storm_of_cancels_all_that_remains_can_be_spent(house: House) -> None:
    fund = house.budget(1_000)
    posting = asyncio.ensure_future(house.posting())
    dice = random.Random(1)
    asked = [asyncio.ensure_future(house.ask(n % 4, 90, 1, dice.random() / 5)) for n in range(120)]
    for _ in asked:
        await asyncio.sleep(0.002)
        dice.choice(asked).cancel()
    await asyncio.wait(asked)
    for _ in range(100):
        if house.fund(fund).held == 0:
            break
        await asyncio.sleep(0.05)
    found = house.fund(fund)
    assert found.held == 0, "nothing is held for nobody"
    assert await house.ask(2, found.remaining, 0) == ""
    posting.cancel()
    with pytest.raises(OverBudget, match="leaves"):
        await house.ask(1, found.remaining + 1, 0)


async def test_a_refusal_says_what_remains_and_one_that_is_hopeless_costs_no_transaction(house: House) -> None:
    house.budget(100)
    began = time.monotonic()
    with pytest.raises(OverBudget) as refused:
        await house.ask(0, 101, 1)
    assert time.monotonic() - began < 1
    assert "0.000100 USD" in refused.value.message
    assert "0.000101 USD" in refused.value.message
    assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")
    taken = threading.Event()

    def hold_the_database() -> None:
        with house.database.write():
            taken.wait(5)

    blocking = threading.Thread(target=hold_the_database)
    blocking.start()
    with pytest.raises(OverBudget):
        await asyncio.wait_for(house.ask(0, 101, 1), 0.2)
    taken.set()
    blocking.join()


async def test_who_comes_while_all_is_held_waits_for_what_comes_back(house: House) -> None:
    house.budget(100)
    first = asyncio.ensure_future(house.ask(0, 100, 1, 0.3))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    assert await asyncio.wait_for(house.ask(1, 90, 1), 5) == ""
    assert time.monotonic() - began > 0.1
    await first


async def test_nobody_waits_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purses, "WAIT_S", 0.3)
    house.budget(100)
    first = asyncio.ensure_future(house.ask(0, 100, 1, 2.0))
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimited) as busy:
        await house.ask(1, 90, 1)
    assert (busy.value.code, busy.value.retry_after_s) == ("budget_busy", 2)
    first.cancel()


async def test_all_budgets_that_apply_must_have_room_and_soft_ones_never_refuse(house: House) -> None:
    house.budget(1_000)
    house.budget(50, scope="key")
    house.budget(1, scope="project", hard=False)
    with pytest.raises(OverBudget, match="API key"):
        await house.ask(0, 60, 1)
    hold = await house.processes[0].reserve(house.caller, "m", lambda: 40)
    assert hold
    assert len(hold.held.split()) == 2
    hold.settle(0)
    hold.settle(40)  # the first counts
    stranger = Caller("key_b", "proj_b", "org_b", "other", frozenset())
    assert await house.processes[0].reserve(stranger, "m", lambda: 10**12) is None


async def test_what_was_leased_for_a_request_that_another_budget_refused_goes_back(house: House) -> None:
    large, little = house.budget(1_000), house.budget(100, "key")
    for process in range(4):
        with pytest.raises(OverBudget):
            await house.ask(process, 300, 1)
    await asyncio.sleep(2 * purses._TIDY_S)
    assert [house.fund(fund).held for fund in (large, little)] == [0, 0]
    assert await house.ask(3, 100, 1) == ""


async def test_the_narrowest_that_can_pays_and_nothing_is_served_unpaid(house: House) -> None:
    model = house.prepaid(30, "model", "m")
    assert await house.ask(0, 20, 20) == model.id
    assert await house.processes[0].reserve(house.caller, "m", lambda: 20) is None, "then it is owed, as before"
    whole = house.prepaid(40)
    await asyncio.to_thread(house.post)
    await asyncio.sleep(0.3)
    assert await house.ask(0, 20, 20) == whole.id, "ten are left of the narrow one: too little"
    assert await house.ask(0, 10, 10) == model.id
    await asyncio.to_thread(house.post)
    with pytest.raises(Unpaid, match="topped up") as refused:
        await house.ask(0, 30, 30)
    assert refused.value.code == "insufficient_quota"
    assert (house.fund(model).spent, house.fund(whole).spent) == (30, 20)


async def test_more_than_was_held_for_is_counted_before_anybody_else_gets_it(house: House) -> None:
    fund = house.budget(100)
    await house.ask(0, 10, 70)
    await asyncio.to_thread(house.post)
    await asyncio.sleep(0.3)
    with pytest.raises(OverBudget):
        await house.ask(1, 31, 1)
    assert house.fund(fund).spent == 70


async def test_without_the_database_what_is_at_hand_is_spent_and_then_callers_are_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.budget(100_000)
    for _ in range(50):  # so that it leases ahead
        await house.ask(0, 10, 1)
    await asyncio.sleep(0.1)

    def away(*_: object) -> object:
        raise ConnectionError("away")

    monkeypatch.setattr(purses, "exchange", away)
    assert await house.ask(0, 1, 1) == ""
    with pytest.raises(Unavailable) as unknown:
        await house.ask(0, 90_000, 1)
    assert unknown.value.code == "budgets_unknown"
    monkeypatch.undo()
    assert await house.ask(0, 90_000, 1) == ""


async def test_a_commit_whose_end_nobody_saw_is_healed_when_the_process_is_idle(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fund = house.budget(1_000)
    real = purses.exchange

    def committed_and_lost(tx: object, holder: str, wants: object) -> object:
        real(tx, holder, wants)  # type: ignore[arg-type]
        tx.commit()  # type: ignore[attr-defined]
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(purses, "exchange", committed_and_lost)
    monkeypatch.setattr(Purses, "_happened", True, raising=False)
    with pytest.raises(Unavailable):
        await house.ask(0, 600, 1)
    monkeypatch.setattr(purses, "exchange", real)
    assert house.fund(fund).held == 600, "in no hand"
    assert await asyncio.wait_for(house.ask(0, 300, 1), 3) == ""
    await asyncio.to_thread(house.post)
    for _ in range(60):
        if house.fund(fund).held == 0:
            break
        await asyncio.sleep(0.05)
    assert house.fund(fund).remaining == 999


async def test_stopping_gives_back_what_is_at_hand(house: House) -> None:
    fund = house.budget(100_000)
    for _ in range(50):
        await house.ask(0, 10, 1)
    await asyncio.to_thread(house.post)
    await house.processes[0].stop()
    assert house.fund(fund).held == 0


def test_the_leases_of_who_is_gone_are_ended_by_others_and_no_clock_is_compared(tmp_path: Path) -> None:
    house = House(fresh_database(tmp_path / "argosy.sqlite"))
    fund = house.budget(1_000)
    asyncio.run(house.processes[0].reserve(house.caller, "m", lambda: 700))  # and never heard of again
    assert house.fund(fund).held >= 700
    clock = [0.0]
    observer = Observer("jrn_other", lambda: clock[0])
    for second in range(0, int(TTL_S) + 3, 3):
        assert house.fund(fund).held >= 700
        clock[0] = float(second)
        observer.look(house.database)
    for _ in range(5):
        clock[0] += 6
        observer.look(house.database)
    assert house.fund(fund).held == 0


def test_one_that_did_not_look_for_a_while_knows_nothing(tmp_path: Path) -> None:
    house = House(fresh_database(tmp_path / "argosy.sqlite"))
    fund = house.budget(1_000)
    asyncio.run(house.processes[0].reserve(house.caller, "m", lambda: 700))
    clock = [0.0]
    observer = Observer("jrn_other", lambda: clock[0])
    for second in (6, 12, 500, 506):  # it was away itself: so may the other have been
        clock[0] = float(second)
        observer.look(house.database)
    assert house.fund(fund).held >= 700


async def test_a_budget_that_becomes_soft_gets_back_what_was_leased_of_it(house: House) -> None:
    fund = house.budget(100_000)
    for _ in range(50):
        await house.ask(0, 10, 1)
    await asyncio.to_thread(house.post)
    house.budget(100_000, hard=False)
    for _ in range(80):
        assert await house.processes[0].reserve(house.caller, "m", lambda: 10) is None
        if house.fund(fund).held == 0:
            break
        await asyncio.sleep(0.05)
    assert house.fund(fund).held == 0
