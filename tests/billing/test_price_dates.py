"""A price begins at its time and no older one comes back, whoever sets it and whatever the clock does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from argosy import billing
from argosy.billing import Price, Terms, Tier
from argosy.billing.prices import in_force, store, versions_of
from argosy.core import Conflict, Invalid, SteadyClock, clock, now

from .conftest import Card

PLAIN = Terms("USD", 100, 50, 400)
LATER = replace(PLAIN, input=200)


class Clock:
    """The machine's clock, to be set at will."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def time(self) -> float:
        return self.at


@pytest.fixture
def machine(monkeypatch):
    """A clock of our own, and a process that has seen no other."""
    made = Clock()
    monkeypatch.setattr(clock, "time", made)
    monkeypatch.setattr(store, "_CLOCK", SteadyClock())
    return made


def restart(monkeypatch):
    monkeypatch.setattr(store, "_CLOCK", SteadyClock())


def input_now(database, model="ship"):
    with database.read() as tx:
        return billing.current_prices(tx)[model].input


def test_a_price_to_come_holds_from_its_second_on(database, machine):
    begins = int(machine.at) + 60
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
        billing.ensure_price(tx, "ship", LATER, begins)
        assert billing.next_change(tx) == begins
    assert input_now(database) == 100
    machine.at = begins - 1
    assert input_now(database) == 100
    machine.at = begins
    assert input_now(database) == 200
    with database.read() as tx:
        assert billing.next_change(tx) is None
        assert [price.input for price in billing.price_history(tx)] == [100, 200]


def test_a_clock_that_steps_back_brings_no_older_price_back(database, machine):
    begins = int(machine.at) + 60
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
        billing.ensure_price(tx, "ship", LATER, begins)
    machine.at = begins
    assert input_now(database) == 200
    machine.at -= 3600
    assert input_now(database) == 200
    with database.write() as tx:  # and what is set now comes after it, not before
        billing.ensure_price(tx, "ship", replace(PLAIN, input=300))
    assert input_now(database) == 300


def test_what_was_to_hold_at_once_does_after_a_restart_with_an_earlier_clock(database, machine, monkeypatch):
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
    machine.at -= 10 * 86_400
    restart(monkeypatch)
    assert input_now(database) == 100
    with database.write() as tx:
        billing.ensure_price(tx, "ship", LATER)
    assert input_now(database) == 200


def test_a_price_set_now_does_not_undo_the_one_to_come(database, machine):
    begins = int(machine.at) + 60
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
        billing.ensure_price(tx, "ship", LATER, begins)
        billing.ensure_price(tx, "ship", replace(PLAIN, input=150))
    assert input_now(database) == 150
    machine.at = begins
    assert input_now(database) == 200


def test_dates_that_have_passed_meet_or_lie_too_far_ahead_are_refused(database, machine):
    at = int(machine.at)
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
        made = billing.ensure_price(tx, "ship", LATER, at + 60)
    for begins, error, code in (
        (at - 1, Invalid, "date_in_the_past"),
        (-5, Invalid, "date_in_the_past"),
        (at * 1000, Invalid, "date_too_far_ahead"),
        (at + 60, Conflict, "dates_overlap"),
    ):
        with pytest.raises(error) as refused, database.write() as tx:
            billing.ensure_price(tx, "ship", PLAIN, begins)
        assert refused.value.code == code
    with database.write() as tx:
        assert billing.ensure_price(tx, "ship", LATER, at + 60) == made, "the same once more is the same"
    machine.at += 3600
    with database.write() as tx:
        assert billing.ensure_price(tx, "ship", LATER, at + 60) == made, "even when it has begun"
        assert len(versions_of(tx, "ship")) == 2


def test_of_many_who_choose_one_time_one_wins_and_the_others_are_told(database):
    begins = now() + 600

    def choose(n: int) -> str:
        try:
            with database.write() as tx:
                return billing.ensure_price(tx, "ship", replace(PLAIN, input=n), begins)
        except Conflict as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(choose, range(8)))
    assert found.count("dates_overlap") == 7
    with database.read() as tx:
        assert [price.effective_from for price in versions_of(tx, "ship")] == [begins]


def test_two_first_prices_in_two_currencies_at_once_leave_one(database):
    def first(currency: str) -> str:
        try:
            with database.write() as tx:
                return billing.ensure_price(tx, f"model-{currency.lower()}", replace(PLAIN, currency=currency))
        except Exception as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(first, ("USD", "CNY", "EUR", "JPY")))
    with database.read() as tx:
        assert len({price.currency for price in billing.price_history(tx)}) == 1


def test_what_else_is_counted_keeps_its_price_until_it_is_given_another(database, machine):
    hourly, begins = {"engine_seconds": 7}, int(machine.at) + 60
    with database.write() as tx:
        billing.ensure_price(tx, "ship", replace(PLAIN, measured=hourly))
        assert billing.ensure_price(tx, "ship", PLAIN) == billing.current_prices(tx)["ship"].id, "the same as before"
        billing.ensure_price(tx, "ship", LATER, begins)
        billing.ensure_price(tx, "ship", replace(PLAIN, measured={"engine_seconds": 0}), begins + 60)
        found = [(price.input, dict(price.measured)) for price in versions_of(tx, "ship")]
    assert found == [(100, hourly), (200, hourly), (100, {})]


def test_mixing_currencies_is_refused_for_costs_too(database, card: Card):
    with database.write() as tx:
        billing.ensure_price(tx, "ship", card)
        with pytest.raises(Invalid, match="books are in USD"):
            billing.ensure_price(tx, "boat", replace(PLAIN, currency="CNY"))
        with pytest.raises(Invalid, match="books are in USD"):
            billing.ensure_cost(tx, "openai", "ship", replace(PLAIN, currency="CNY"))
        assert billing.standing_cost(tx, "openai", "ship", replace(PLAIN, currency="CNY")) is None
        assert billing.books_currency(tx) == "USD"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (replace(PLAIN, input=-1), "negative_price"),
        (replace(PLAIN, output=10**12 + 1), "absurd_price"),
        (replace(PLAIN, training=10**30), "absurd_price"),
        (replace(PLAIN, currency="usd"), "invalid_currency"),
        (replace(PLAIN, currency=""), "invalid_currency"),
        (replace(PLAIN, batch_discount=101), "invalid_discount"),
        (replace(PLAIN, tiers=(Tier(5, 1, 1, 1), Tier(5, 2, 2, 2))), "invalid_tiers"),
        (replace(PLAIN, tiers=(Tier(0, 1, 1, 1),)), "invalid_tiers"),
        (replace(PLAIN, tiers=(Tier(9, 1, -1, 1),)), "negative_price"),
        (replace(PLAIN, measured={"wishes": 1}), "unknown_meter"),
        (replace(PLAIN, tiers=tuple(Tier(n, 1, 1, 1) for n in range(1, 18))), "invalid_tiers"),
    ],
)
def test_what_can_be_no_price_is_refused_before_anything_is_written(database, terms, code):
    with database.write() as tx:
        for ensure in (billing.ensure_price, lambda tx, *args: billing.ensure_cost(tx, "openai", *args)):
            with pytest.raises(Invalid) as refused:
                ensure(tx, "ship", terms)
            assert refused.value.code == code
        assert billing.price_history(tx) == billing.cost_history(tx) == []


@pytest.mark.parametrize("name", ["", "=cmd|' /C calc'!A0", "-1+2", "a b", "x" * 201, "a\x00b", "é"])
def test_a_name_that_can_be_no_model_is_refused(database, name):
    with database.write() as tx:
        with pytest.raises(Invalid, match="no name of a model"):
            billing.ensure_price(tx, name, PLAIN)
        with pytest.raises(Invalid, match="no name of a provider"):
            billing.ensure_cost(tx, name, "ship", PLAIN)


def test_a_price_that_the_version_before_made_holds_from_when_it_was_made(database, machine):
    with database.write() as tx:
        billing.ensure_price(tx, "ship", PLAIN)
        columns = "id, model, version, currency, input, cached_input, output, training, created_at"
        row = ("price_old", "ship", 2, "USD", 7, 7, 7, 7, int(machine.at) + 1)
        tx.execute(text(f"INSERT INTO price_versions ({columns}) VALUES {row}"))
    machine.at += 1
    assert input_now(database) == 7


def test_the_order_of_the_rows_does_not_matter():
    def version(number: int, begins: int, made: int) -> Price:
        return Price(f"price_{number}", "ship", number, "USD", number, 0, 0, 0, made, begins)

    versions = [version(1, 10, 10), version(2, 500, 20), version(3, 30, 30), version(4, 30, 30)]
    for order in (versions, versions[::-1]):
        assert in_force(order, 100)["", "ship"].version == 4, "of two at once the later one"
        assert in_force(order, 500)["", "ship"].version == 2
    assert in_force([version(1, 500, 20)], 499) == {}
