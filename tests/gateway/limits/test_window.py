"""The bound, on the arithmetic alone: no 60 seconds hold more than the limit, nothing is lost for over 62."""

import random

import pytest

from argosy.gateway.limits.window import HELD_S, LEASE_S, SECOND_US, WINDOW_S, Window

T = 1_800_000_000 * SECOND_US


def most_in_a_window(spent):
    """The largest number of units in any 60 seconds. ``spent``: (microseconds, units)."""
    spent, most, first, total = sorted(spent), 0, 0, 0
    for at, units in spent:
        total += units
        while spent[first][0] <= at - WINDOW_S * SECOND_US:
            total -= spent[first][1]
            first += 1
        most = max(most, total)
    return most


@pytest.mark.parametrize("seed", range(8))
def test_no_minute_holds_more_than_the_limit_however_late_leases_are_spent(seed):
    chance = random.Random(seed)
    window, now, spent = Window(allowed=100), T + chance.randrange(SECOND_US), []
    while now < T + 400 * SECOND_US:
        units = window.lease([chance.randint(1, 9) for _ in range(chance.randint(1, 4))], chance.randint(0, 60), now)
        if units:  # a process may spend it at once, or in the last moment, or give some of it back
            back = chance.randint(0, units) if chance.random() < 0.3 else 0
            window.add(now // SECOND_US, -back)
            spent.append((now + chance.choice([0, LEASE_S * SECOND_US - 1]), units - back))
        now += chance.randrange(2 * SECOND_US)
    assert most_in_a_window(spent) <= 100
    assert most_in_a_window(spent) >= 95, "it must not be had by letting hardly anything through"


def test_a_unit_comes_back_in_62_seconds_at_most_and_after_60_at_least():
    for part in (0, SECOND_US - 1):
        window = Window(allowed=1)
        assert window.lease([1], 0, T + part) == 1
        opens = window.opens_us(1, T + part)
        assert WINDOW_S + LEASE_S <= (opens - T - part) / SECOND_US <= HELD_S
        assert window.lease([1], 0, opens - 1) == 0
        assert window.lease([1], 0, opens) == 1


def test_those_who_wait_are_served_in_order_and_a_big_one_does_not_stop_a_small_one():
    window = Window(allowed=10)
    assert window.lease([6, 7, 3], 0, T) == 9
    assert window.lease([2], 100, T) == 0
    assert window.lease([1], 100, T) == 1


def test_a_wish_is_met_while_there_is_plenty_and_never_near_the_end():
    window = Window(allowed=1000)
    assert window.lease([1], 500, T) == 125
    window.add(T // SECOND_US, 869)
    assert window.lease([1], 500, T) == 1


def test_what_was_used_beyond_the_limit_must_come_back_first():
    window = Window(allowed=10)
    window.add(T // SECOND_US, 25)
    assert window.free(T) == -15
    assert window.lease([1], 50, T) == 0
    assert window.lease([10], 0, T + HELD_S * SECOND_US) == 10


def test_what_is_given_back_late_or_twice_makes_no_room():
    window = Window(allowed=10)
    window.lease([4], 0, T)
    window.add(T // SECOND_US, -9)
    assert window.free(T) == 10
    window.lease([10], 0, T)
    later = T + HELD_S * SECOND_US
    assert window.free(later) == 10
    window.add(T // SECOND_US, -10)
    assert window.free(later) == 10


def test_when_it_opens_counts_only_as_much_as_is_needed():
    window = Window(allowed=10)
    for second, units in ((0, 5), (10, 3), (20, 2)):
        window.lease([units], 0, T + second * SECOND_US)
    now = T + 20 * SECOND_US
    assert [(window.opens_us(units, now) - T) // SECOND_US for units in (1, 5, 6, 8, 10)] == [62, 62, 72, 72, 82]
    assert (window.resets_us(now) - T) // SECOND_US == 82
