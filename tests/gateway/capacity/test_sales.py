"""What counts as sold, and who of a line is granted: the rule, without a database."""

from dataclasses import dataclass, replace

import pytest

from argosy.gateway.capacity.sales import Sales, go_along
from argosy.gateway.capacity.store import Switch, Waiting
from argosy.gateway.capacity.supply import Supply


@dataclass(frozen=True)
class Sold:
    project_id: str
    tokens_per_minute: int | None
    scope: str = "project"
    subject: str = ""


def at(project, model, tokens):
    return Sold(project, tokens, "model", model)


def supply(model="m", can=1000, waitlist=True, **names):
    return Supply(f"dep_{model}", model, 1, switch=Switch(waitlist, can), names=names)


def waiting(number, project, tokens, model=""):
    scope = "model" if model else "project"
    return Waiting(f"wait_{number}", number, project, scope, model, None, tokens, "waiting", "key", 1)


@pytest.mark.parametrize(
    ("limits", "sold"),
    [
        ([], 0),
        ([Sold("a", 300), Sold("b", 200)], 500),
        ([Sold("a", 300), at("a", "m", 100)], 100),  # the lower of the two
        ([Sold("a", 100), at("a", "m", 300)], 100),
        ([at("a", "m", 300)], 300),
        ([at("a", "other", 300)], 0),  # nothing of this deployment
        ([Sold("a", None), at("b", "m", 7)], 7),  # a limit of requests alone promises no tokens
        ([Sold("a", 300), Sold("a", 50, "key", "key_1"), Sold("a", 900, "key", "key_2")], 300),  # keys divide it
        ([Sold("a", 50, "key", "key_1")], 0),
    ],
)
def test_the_rule(limits, sold):
    assert Sales([one := supply()], limits).sold(one) == sold


def test_names_that_lead_to_one_deployment_bound_it_together_and_only_if_all_are_limited():
    one = supply(a=("m", "ft:m:a", "chat"))
    limits = [Sold("a", 1000), at("a", "m", 100), at("a", "ft:m:a", 50)]
    assert Sales([one], limits).sold(one) == 1000, "by the route 'chat' it may have all of its own limit"
    assert Sales([one], [*limits, at("a", "chat", 30)]).sold(one) == 180
    assert Sales([one], limits[1:]).sold(one) == 150, "without a limit of its own, what was promised at the names"


def test_a_project_counts_in_full_at_every_deployment():
    both = [supply("m"), supply("n")]
    sales = Sales(both, [Sold("a", 300), at("a", "n", 50)])
    assert [sales.sold(one) for one in both] == [300, 50]


def test_capacity_is_what_was_measured_times_the_replicas_unless_somebody_said_otherwise():
    one = Supply("dep_m", "m", 2, written_per_s=10.55)
    assert one.tokens_per_minute == 1266
    assert replace(one, switch=Switch(True, 5)).tokens_per_minute == 5
    assert replace(one, written_per_s=None).tokens_per_minute is None


def test_an_unknown_capacity_has_room_for_nothing_more():
    one = supply(can=None)
    granted, stay = go_along(Sales([one], [Sold("a", 5)]), [waiting(1, "b", 1), waiting(2, "a", 4)])
    assert ([each.number for each in granted], [each.waiting.number for each in stay]) == ([2], [1])


def test_a_deployment_without_a_waitlist_holds_nobody_up():
    granted, stay = go_along(Sales([supply(waitlist=False, can=1)], []), [waiting(1, "a", 10**6)])
    assert (len(granted), stay) == (1, [])


def test_nobody_passes_who_needs_more_of_the_same():
    one, other = supply("m", 100), supply("n", 100)
    line = [waiting(1, "a", 200, "m"), waiting(2, "b", 10, "m"), waiting(3, "c", 10, "n"), waiting(4, "d", 10)]
    granted, stay = go_along(Sales([one, other], []), line)
    assert [each.number for each in granted] == [3]
    assert [(each.waiting.number, each.place, each.waits_for) for each in stay] == [
        (1, 1, ["m"]),
        (2, 2, ["m"]),
        (4, 3, ["m"]),
    ]


def test_one_that_waits_elsewhere_keeps_its_room_where_it_would_fit():
    one, other = supply("m", 100), supply("n", 1000)
    line = [waiting(1, "a", 900), waiting(2, "b", 500, "n")]  # the first fits at n, and waits for m
    granted, stay = go_along(Sales([one, other], []), line)
    assert (granted, [(each.waiting.number, each.waits_for) for each in stay]) == ([], [(1, ["m"]), (2, ["n"])])


def test_a_limit_that_lowers_what_is_sold_makes_room_for_those_before_it():
    one = supply("m", 100)
    line = [waiting(1, "a", 60), waiting(2, "b", 40)]
    granted, stay = go_along(Sales([one], [Sold("b", 90)]), line)
    assert ([each.number for each in granted], stay) == ([2, 1], [])


def test_exactly_what_there_is_can_be_sold():
    one = supply("m", 100)
    assert go_along(Sales([one], [Sold("a", 60)]), [waiting(1, "b", 40)])[1] == []
    assert len(go_along(Sales([one], [Sold("a", 60)]), [waiting(1, "b", 41)])[1]) == 1
