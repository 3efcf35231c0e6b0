"""Money for a training is held when it begins: no budget is passed by one, and nothing stays held when it has ended."""

import pytest
from tests.tuning.fake_trainer import Misdeed
from tests.worker import wait_until

from argosy import billing
from argosy.billing import credits, funds
from argosy.billing.funds.leases import Want, exchange
from argosy.tuning import training


def price(harbour):
    """What one job costs: 2,000 tokens."""
    with harbour.database.write() as tx:
        name = "smollm2-135m-instruct"
        billing.ensure_price(tx, name, billing.Terms("USD", 0, 0, 0, training=1_000_000))
    return 2000


def budget(harbour, allowed, **more):
    terms = {"period": "none", "hard": True, "currency": "USD", "allowed": allowed} | more
    with harbour.database.write() as tx:
        organization = harbour.caller.organization_id
        return funds.put_budget(tx, organization, "organization", organization, **terms).id


def stands(harbour, fund_id):
    """What is spent of a fund and held of it."""
    with harbour.database.read() as tx:
        fund = funds.get_fund(tx, harbour.caller.organization_id, fund_id)
    return fund.spent, fund.held


def test_a_job_holds_its_cost_and_pays_it(harbour):
    cost = price(harbour)
    fund = budget(harbour, cost + 1)
    harbour.start_worker()
    job = harbour.create(seed=Misdeed.SLOW)
    wait_until(lambda: stands(harbour, fund), lambda found: found == (0, cost))
    assert harbour.end_of(job.id).status == "succeeded"
    assert stands(harbour, fund) == (cost, 0)


@pytest.mark.parametrize("misdeed", [Misdeed.SLOW, Misdeed.DIES_ALWAYS])
def test_nothing_stays_held_for_one_that_is_cancelled_or_fails(harbour, misdeed):
    fund = budget(harbour, price(harbour))
    harbour.start_worker()
    job = harbour.create(seed=misdeed)
    if misdeed is Misdeed.SLOW:
        wait_until(lambda: stands(harbour, fund), lambda found: found == (0, 2000))
        harbour.cancel(job.id)
    assert harbour.end_of(job.id).status in ("cancelled", "failed")
    assert stands(harbour, fund) == (0, 0)


def test_one_that_costs_more_than_is_left_fails_before_it_trains(harbour):
    fund = budget(harbour, price(harbour) - 1)
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, job.error["code"]) == ("failed", "insufficient_quota")
    assert "leaves 0.001999 USD, and this job costs 0.002000 USD" in job.error["message"]
    assert job.progress.step == 0
    assert stands(harbour, fund) == (0, 0)


def test_a_soft_budget_refuses_nothing(harbour):
    fund = budget(harbour, 1, hard=False)
    cost = price(harbour)
    harbour.start_worker()
    assert harbour.end_of(harbour.create().id).status == "succeeded"
    assert stands(harbour, fund) == (cost, 0)


def test_it_waits_for_what_a_gateway_holds(harbour):
    fund = budget(harbour, price(harbour))
    with harbour.database.write() as tx:
        exchange(tx, "jrn_1", {fund: Want(0, [500], 0)})
    harbour.start_worker()
    job = harbour.create()
    harbour.wait_for(job.id, "running")
    with harbour.database.write() as tx:
        exchange(tx, "jrn_1", {fund: Want(500, [], 0)})
    assert harbour.end_of(job.id).status == "succeeded"


def test_what_never_comes_back_is_not_waited_for_without_end(harbour, monkeypatch):
    monkeypatch.setattr(training, "_MONEY_S_MAX", 0.3)
    fund = budget(harbour, price(harbour))
    with harbour.database.write() as tx:
        exchange(tx, "jrn_1", {fund: Want(0, [500], 0)})
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, job.error["code"]) == ("failed", "budget_busy")


def test_a_credit_pays_for_it_and_without_one_nothing_is_trained(harbour):
    cost, organization = price(harbour), harbour.caller.organization_id
    with harbour.database.write() as tx:
        fund = funds.ensure_prepaid(tx, organization, "organization", organization, "USD")
    harbour.start_worker()
    refused = harbour.end_of(harbour.create().id)
    assert (refused.status, refused.error["code"]) == ("failed", "insufficient_quota")
    with harbour.database.write() as tx:
        terms = {"kind": "grant", "amount": cost, "currency": "USD", "scope": "organization", "subject": organization}
        credits.add_credit(tx, organization, credits.NewCredit(**terms))
    assert harbour.end_of(harbour.create().id).status == "succeeded"
    with harbour.database.read() as tx:
        assert funds.get_fund(tx, organization, fund.id).remaining == 0
        assert billing.balance(tx, harbour.caller.project_id, billing.RECEIVABLE) == 0


def test_a_lease_of_a_job_is_nobodys_to_end(harbour):
    fund = budget(harbour, price(harbour))
    with harbour.database.write() as tx:
        payer = funds.Payer(harbour.caller.organization_id, harbour.caller.project_id, None, "m")
        funds.hold_for_job(tx, "ftjob-1", payer, 5)
        funds.hold_for_job(tx, "ftjob-1", payer, 5)
        assert funds.leases.standing(tx) == {}
        assert funds.job_hold(tx, "ftjob-1").held == fund
    assert stands(harbour, fund) == (0, 5)
