"""Which credits pay, in which order, and what the ledger says of it. On both databases."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event as listener
from sqlalchemy import text

from argosy.core import Conflict, Invalid, now

from .conftest import Shop


def test_a_charge_is_paid_by_grants_first_then_by_money(shop: Shop) -> None:
    money = shop.add("top_up", 100)
    shop.add("grant", 70)
    shop.spend(shop.event("req_1", 100, money.fund_id))
    assert shop.posted("req_1") == {("credits", "grant 2"): 70, ("prepaid", ""): 30, ("revenue", "input"): -100}
    assert shop.balances() == {"cash": 100, "prepaid": -70, "credits": 70, "revenue": -100}
    shop.check()


def test_among_grants_what_expires_soonest_goes_first_then_what_came_first(shop: Shop) -> None:
    fund = shop.add("top_up", 5).fund_id
    shop.add("grant", 10)
    shop.add("grant", 10, expires_at=now() + 9_000)
    shop.add("grant", 10, expires_at=now() + 5_000)
    shop.add("grant", 10)
    spent = []
    for number in range(9):
        shop.spend(shop.event(f"req_{number}", 5, fund))
        spent.append([one.spent for one in shop.credits()])
    assert spent[1] == [0, 0, 0, 10, 0]
    assert spent[3] == [0, 0, 10, 10, 0]
    assert spent[5] == [0, 10, 10, 10, 0]
    assert spent[7] == [0, 10, 10, 10, 10]
    assert spent[8] == [5, 10, 10, 10, 10]
    shop.check()


def test_what_no_credit_covers_is_owed_once_and_not_taken_from_what_comes_later(shop: Shop) -> None:
    fund = shop.add("top_up", 30).fund_id
    shop.spend(shop.event("req_1", 100, fund), shop.event("req_2", 7, fund))
    assert shop.balances()["receivable"] == 77
    shop.check()
    shop.add("top_up", 50)
    shop.check()
    shop.spend(shop.event("req_3", 50, fund))
    assert shop.balances() == {"cash": 80, "prepaid": 0, "receivable": 77, "revenue": -157}
    shop.check()


def test_an_event_without_a_fund_or_with_one_that_is_not_there_is_owed(shop: Shop) -> None:
    shop.add("top_up", 30)
    shop.spend(shop.event("req_1", 4, ""), shop.event("req_2", 5, "fund_gone"))
    assert shop.balances()["receivable"] == 9
    shop.check()


def test_an_event_that_is_posted_again_is_paid_once(shop: Shop) -> None:
    fund = shop.add("grant", 30).fund_id
    same = [shop.event("req_1", 4, fund)]
    assert [shop.spend(*same), shop.spend(*same), shop.spend(*same, *same)] == [1, 0, 0]
    assert [one.spent for one in shop.credits()] == [4]
    shop.check()


def test_two_posters_and_top_ups_at_once_lose_nothing(shop: Shop) -> None:
    funds = [shop.add("grant", 300, scope=scope).fund_id for scope in ("organization", "project", "model")]
    events = [shop.event(f"req_{number:03}", number % 7, random.choice(funds)) for number in range(300)]

    def post(start: int) -> None:
        order = events[start:] + events[:start]
        for at in range(0, 300, 50):
            shop.spend(*order[at : at + 50])

    def fill(_: int) -> None:
        for scope in ("model", "organization", "project"):
            shop.add("top_up", 11, scope=scope)

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(post, start) for start in (0, 150, 75, 225)] + [pool.submit(fill, one) for one in (0, 1)]
        for one in done:
            one.result()
    assert sum(one.spent for one in shop.credits()) + shop.balances().get("receivable", 0) == sum(
        number % 7 for number in range(300)
    )
    shop.check()


def test_a_batch_of_500_takes_few_statements(shop: Shop) -> None:
    fund = shop.add("top_up", 400).fund_id
    for _ in range(5):
        shop.add("grant", 20)
    plain, paid = [shop.event(f"a_{n}", 1, "") for n in range(500)], [shop.event(f"b_{n}", 1, fund) for n in range(500)]
    counted: list[str] = []
    listener.listen(shop.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    shop.spend(*plain)
    without = len(counted)
    shop.spend(*paid)
    assert len(counted) - without <= without + 12
    assert [one.remaining for one in shop.credits()] == [0] * 6
    shop.check()


def test_asking_twice_under_one_key_makes_one_credit(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: shop.add("top_up", 30, key="payment 17"), range(8)))
    assert len({one.id for one in made}) == 1
    assert [one.amount for one in shop.credits()] == [30]
    with pytest.raises(Conflict):
        shop.add("top_up", 31, key="payment 17")
    assert shop.balances()["cash"] == 30
    shop.check()


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("top_up", {"amount": 0}, "invalid_amount"),
        ("top_up", {"amount": -5}, "invalid_amount"),
        ("grant", {"amount": 10**15 + 1}, "invalid_amount"),
        ("grant", {"amount": 10**40}, "invalid_amount"),
        ("grant", {"amount": 5, "currency": "EUR"}, "currency_mismatch"),
        ("grant", {"amount": 5, "expires_at": 1}, "expires_in_the_past"),
        ("top_up", {"amount": 5, "expires_at": 4_000_000_000}, "top_up_expires"),
        ("top_up", {"amount": 5, "note": "x" * 201}, "invalid_note"),
        ("top_up", {"amount": 5, "note": "a\x00b"}, "invalid_note"),
        ("top_up", {"amount": 5, "key": ""}, "invalid_idempotency_key"),
    ],
)
def test_nonsense_is_refused_and_leaves_nothing(shop: Shop, kind: str, fields: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        shop.add(kind, **fields)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert (shop.credits(), shop.balances()) == ([], {})


def test_a_balance_has_an_end(shop: Shop) -> None:
    shop.add("grant", 10**15)
    with shop.database.write() as tx:
        tx.execute(text("UPDATE funds SET allowed = 999 * 1000000000000000"))
    shop.add("grant", 10**15)
    with pytest.raises(Invalid, match="more than a balance can hold"):
        shop.add("grant", 1)
