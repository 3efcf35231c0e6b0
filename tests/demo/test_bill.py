"""The customer's own sum."""

from argosy.demo.bill import Prices, Used, check

PRICES = Prices("USD", input=20_000, cached_input=5_000, output=80_000, training=400_000)


def test_each_quantity_is_priced_and_rounded_on_its_own() -> None:
    # 40 x 0.02 = 0.8 -> 1; 110 x 0.005 = 0.55 -> 1; 60 x 0.08 = 4.8 -> 5 micro-units.
    assert Used("req_1", "m", prompt=150, cached=110, completion=60).amount(PRICES) == 7
    assert Used("ftjob-1", "m", training=40_000).amount(PRICES) == 16_000


def test_a_charge_that_nobody_asked_for_is_found() -> None:
    bill = check([Used("req_1", "m", completion=60)], {"req_1": 5, "req_2": 5}, PRICES)
    assert not bill.adds_up
    assert bill.differing == [{"id": "req_2", "expected": None, "posted": 5}]


def test_errors_that_cancel_out_do_not_add_up() -> None:
    used = [Used("req_1", "m", completion=60), Used("req_2", "m", completion=60)]
    bill = check(used, {"req_1": 4, "req_2": 6}, PRICES)
    assert bill.expected == bill.posted
    assert not bill.adds_up


def test_what_costs_nothing_need_not_be_posted_and_nothing_at_all_is_no_bill() -> None:
    assert check([Used("req_1", "m")], {}, PRICES).adds_up
    assert not check([], {}, PRICES).adds_up
