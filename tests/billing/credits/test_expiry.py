"""The end of grants: what is held stays, nothing is taken twice, no clock brings one back. On both databases."""

from concurrent.futures import ThreadPoolExecutor

from argosy.billing.credits import CreditSweeper
from argosy.core import now

from .conftest import Shop

HOUR = 3_600


def test_what_is_left_is_taken_at_its_time_and_only_then(shop: Shop) -> None:
    at = now() + HOUR
    fund = shop.add("grant", 100, expires_at=at).fund_id
    shop.add("grant", 10)
    shop.spend(shop.event("req_1", 30, fund))
    sweeper = CreditSweeper(shop.database)
    assert [sweeper.sweep(at - 1), sweeper.sweep(at), sweeper.sweep(at)] == [0, 70, 0]
    first, second = shop.credits()
    assert (first.spent, first.remaining, first.expired, first.expired_at) == (30, 0, 70, at)
    assert (second.remaining, second.expired_at) == (10, None)
    shop.check()


def test_what_is_held_is_taken_by_a_later_sweep_or_spent(shop: Shop) -> None:
    at = now() + HOUR
    fund = shop.add("grant", 100, expires_at=at).fund_id
    shop.hold(fund, 60)
    sweeper = CreditSweeper(shop.database)
    assert sweeper.sweep(at) == 40
    assert sweeper.sweep(at) == 0
    shop.check()
    shop.spend(shop.event("req_1", 25, fund))
    shop.hold(fund, 20)
    assert sweeper.sweep(at + 1) == 15
    shop.hold(fund, 0)
    assert sweeper.sweep(at + 2) == 20
    (one,) = shop.credits()
    assert (one.spent, one.expired, one.remaining, one.expired_at) == (25, 75, 0, at)
    assert "receivable" not in shop.balances()
    shop.check()


def test_a_clock_that_steps_back_does_not_bring_a_credit_back(shop: Shop) -> None:
    at = now() + HOUR
    fund = shop.add("grant", 100, expires_at=at).fund_id
    shop.hold(fund, 100)
    sweeper = CreditSweeper(shop.database)
    assert sweeper.sweep(at) == 0
    shop.hold(fund, 0)
    assert sweeper.sweep(at - HOUR) == 100
    shop.check()


def test_money_that_was_paid_is_never_taken(shop: Shop) -> None:
    at = now() + HOUR
    fund = shop.add("top_up", 100).fund_id
    shop.add("grant", 50, expires_at=at)
    shop.hold(fund, 120)
    assert CreditSweeper(shop.database).sweep(at) == 30
    shop.hold(fund, 0)
    assert CreditSweeper(shop.database).sweep(at) == 20
    assert [one.remaining for one in shop.credits()] == [100, 0]
    shop.check()


def test_sweeps_and_postings_at_once_conserve(shop: Shop) -> None:
    at = now() + HOUR
    fund = shop.add("top_up", 1_000).fund_id
    for _ in range(10):
        shop.add("grant", 20, expires_at=at)

    def post(n: int) -> None:
        for m in range(20):
            shop.spend(shop.event(f"req_{n}_{m}", 3, fund))

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(post, n) for n in range(2)]
        taken = [pool.submit(CreditSweeper(shop.database).sweep, at) for _ in range(6)]
        for one in done:
            one.result()
    found = shop.credits()
    assert sum(one.expired for one in found) == sum(one.result() for one in taken)
    assert sum(one.spent for one in found) == 120
    assert sum(one.remaining for one in found if one.kind == "grant") == 0
    shop.check()
