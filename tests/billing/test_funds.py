"""Funds, leases and what postings do to them: nothing is ever free twice, and nothing stays out. On both databases."""

import random
from collections.abc import Sequence

import pytest

from argosy import billing
from argosy.billing import Journal, UsageEvent, funds, recover
from argosy.billing.funds import Fund
from argosy.billing.funds.leases import Want, beat, end_leases, exchange, forget, standing
from argosy.core import Conflict, Invalid, NotFound
from argosy.identity import bootstrap, organization_of
from argosy.runtime import Database

from .conftest import Meter

MARCH_UP = 1_772_323_200
"""The first second of March 2026, by UTC."""


@pytest.fixture
def project(database: Database) -> str:
    with database.write() as tx:
        return bootstrap(tx).project_id


@pytest.fixture
def organization(database: Database, project: str) -> str:
    with database.read() as tx:
        return organization_of(tx, project).id


def budget(database: Database, organization: str, allowed: int = 1_000, **terms: object) -> Fund:
    given = {"scope": "organization", "subject": organization, "period": "none", "hard": True, "currency": "USD"}
    with database.write() as tx:
        return funds.put_budget(tx, organization, allowed=allowed, **{**given, **terms})  # type: ignore[arg-type]


def now_of(database: Database, organization: str, fund: Fund) -> Fund:
    with database.read() as tx:
        return funds.get_fund(tx, organization, fund.id)


def lease(database: Database, fund: Fund, holder: str, back: int = 0, needs: Sequence[int] = (), wish: int = 0) -> int:
    with database.write() as tx:
        return exchange(tx, holder, {fund.id: Want(back, needs, wish)})[fund.id].amount


def post(database: Database, event: UsageEvent, holder: str = "") -> None:
    with database.write() as tx:
        billing.record(tx, [event], holder)


def test_a_need_is_given_whole_or_not_at_all_and_a_wish_a_share_of_what_is_free(
    database: Database, organization: str
) -> None:
    fund = budget(database, organization)
    assert lease(database, fund, "a", needs=(600,)) == 600
    assert lease(database, fund, "b", needs=(500, 300, 200)) == 300, "the first does not fit, the third not any more"
    assert lease(database, fund, "c", wish=1_000) == 100 // 8
    assert now_of(database, organization, fund).remaining == 88
    assert lease(database, fund, "a", back=600, needs=(650,)) == 650
    with database.write() as tx:
        end_leases(tx, "a")
    assert now_of(database, organization, fund).held == 312


def test_posting_moves_a_charge_from_what_is_held_to_what_is_spent(
    database: Database, meter: Meter, project: str, organization: str
) -> None:
    fund = budget(database, organization)
    assert lease(database, fund, "jrn_1", needs=(200,)) == 200
    used = meter.event("req_1", project=project, prompt_tokens=1_000, held=fund.id)
    post(database, used, "jrn_1")
    post(database, used, "jrn_1")
    found = now_of(database, organization, fund)
    assert (found.spent, found.held, found.remaining) == (150, 50, 800)
    # What nothing was held for, since the budget came later, is spent all the same and takes no other's hold.
    post(database, meter.event("req_2", project=project, prompt_tokens=1_000), "jrn_1")
    found = now_of(database, organization, fund)
    assert (found.spent, found.held) == (300, 50)


def test_who_is_asked_for_what(database: Database, meter: Meter, project: str, organization: str) -> None:
    mine = budget(database, organization, scope="key", subject="key_a")
    whole = budget(database, organization, scope="project", subject=project, hard=False)
    other = budget(database, organization, scope="key", subject="key_b")
    with database.write() as tx:
        paid = funds.ensure_prepaid(tx, organization, "organization", organization, "USD")
        funds.change_allowed(tx, paid.id, 500)
    post(database, meter.event("req_1", project=project, prompt_tokens=1_000))
    post(database, meter.event("req_2", project=project, prompt_tokens=2_000, fund=paid.id))
    spent = [now_of(database, organization, fund).spent for fund in (mine, whole, other, paid)]
    assert spent == [450, 450, 0, 300]
    with database.read() as tx:
        assert {fund.id for fund in funds.all_hard_funds(tx)} == {mine.id, other.id, paid.id}
    with pytest.raises(Conflict), database.write() as tx:
        funds.remove_budget(tx, organization, paid.id)


def test_a_month_begins_with_nothing_spent_and_a_clock_that_steps_back_begins_none_again(
    database: Database, meter: Meter, project: str, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(second: int) -> None:
        for module in ("argosy.billing.funds.store", "argosy.billing.funds.leases.store"):
            monkeypatch.setattr(f"{module}.now", lambda: second)

    at(MARCH_UP - 10)
    fund = budget(database, organization, period="month")
    late = meter.event("req_late", project=project, at=MARCH_UP - 5, prompt_tokens=1_000)
    post(database, meter.event("req_1", project=project, at=MARCH_UP - 9, prompt_tokens=2_000))
    assert now_of(database, organization, fund).spent == 300
    at(MARCH_UP + 5)
    assert now_of(database, organization, fund).spent == 0, "told so before anybody wrote it"
    post(database, late)
    assert now_of(database, organization, fund).spent == 0, "it was used in February"
    post(database, meter.event("req_2", project=project, at=MARCH_UP + 5, prompt_tokens=4_000))
    at(MARCH_UP - 100)
    assert lease(database, fund, "a", needs=(500,)) == 0
    at(MARCH_UP + 6)
    assert lease(database, fund, "a", needs=(500,)) == 0, "600 are spent"
    assert now_of(database, organization, fund).spent == 600


def test_recovery_of_a_journal_ends_its_leases_once_its_charges_are_posted(
    database: Database, meter: Meter, project: str, organization: str, journals: object
) -> None:
    fund = budget(database, organization)
    journals.mkdir(parents=True)  # type: ignore[attr-defined]
    journal = Journal(journals)  # type: ignore[arg-type]
    assert lease(database, fund, journal.folder.name, needs=(900,)) == 900
    journal.outcome(meter.event("req_1", project=project, prompt_tokens=1_000, held=fund.id))
    journal.close()
    recover(journals, database)  # type: ignore[arg-type]
    found = now_of(database, organization, fund)
    assert (found.spent, found.held, found.remaining) == (150, 0, 850)


def test_a_lease_is_ended_by_others_only_if_its_beat_stands_still(database: Database, organization: str) -> None:
    fund = budget(database, organization)
    lease(database, fund, "a", needs=(900,))
    with database.write() as tx:
        [(_, seen)] = standing(tx).items()
        beat(tx, "a")
        assert not forget(tx, fund.id, "a", seen)
        assert forget(tx, fund.id, "a", seen + 1)
    # It comes back with money in its hands, of which nothing is its own any more, and with a hold that still is.
    with database.write() as tx:
        given = exchange(tx, "a", {fund.id: Want(700, (), 0, held=200)})[fund.id]
    assert (given.free, given.out) == (800, 200)


def test_a_budget_is_changed_without_losing_what_was_spent(
    database: Database, meter: Meter, project: str, organization: str
) -> None:
    fund = budget(database, organization)
    post(database, meter.event("req_1", project=project, prompt_tokens=1_000))
    assert budget(database, organization, allowed=100, thresholds=[50]).id == fund.id
    assert now_of(database, organization, fund).remaining == -50
    assert budget(database, organization, period="month").spent == 0
    with pytest.raises(Invalid, match="USD"):
        budget(database, organization, currency="CNY")
    with database.write() as tx:
        funds.remove_budget(tx, organization, fund.id)
    with pytest.raises(NotFound):
        now_of(database, organization, fund)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order_nothing_is_free_twice(
    database: Database, meter: Meter, project: str, organization: str, seed: int
) -> None:
    """Four holders lease, hold, settle, post, die: what is allowed is what is free, out and spent."""
    dice = random.Random(seed)
    allowed = 3_000
    fund = budget(database, organization, allowed)
    at_hand = dict.fromkeys("abcd", 0)
    held: list[tuple[str, int]] = []
    charged: list[tuple[str, int]] = []
    number = 0
    for _ in range(120):
        who = dice.choice("abcd")
        match dice.choice(["lease", "hold", "hold", "settle", "post", "die", "idle"]):
            case "lease":
                need = dice.randrange(1, 400)
                back, at_hand[who] = at_hand[who], 0
                at_hand[who] += lease(database, fund, who, back, (need,), dice.randrange(300))
            case "hold" if at_hand[who] >= (amount := 15 * dice.randrange(1, 20)):
                at_hand[who] -= amount
                held.append((who, amount))
            case "settle" if held:
                who, amount = held.pop(dice.randrange(len(held)))
                used = dice.randrange(0, amount // 15 + 1) * 15
                at_hand[who] += amount - used
                charged.append((who, used))
            case "post" if charged:
                who, used = charged.pop(dice.randrange(len(charged)))
                number += 1
                event = meter.event(f"req_{number}", project=project, prompt_tokens=used * 1000 // 150, held=fund.id)
                post(database, event, who)
            case "die":  # its journal has the charges; what it held and had at hand is free again
                for _, used in [one for one in charged if one[0] == who]:
                    number += 1
                    event = meter.event(
                        f"req_{number}", project=project, prompt_tokens=used * 1000 // 150, held=fund.id
                    )
                    post(database, event, who)
                with database.write() as tx:
                    end_leases(tx, who)
                charged = [one for one in charged if one[0] != who]
                held = [one for one in held if one[0] != who]
                at_hand[who] = 0
            case "idle":
                back, at_hand[who] = at_hand[who], 0
                lease(database, fund, who, back)
        found = now_of(database, organization, fund)
        out = sum(at_hand.values()) + sum(amount for _, amount in held + charged)
        assert found.held == out
        assert found.remaining == allowed - found.spent - out >= 0
