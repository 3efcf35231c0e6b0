"""The line in the database, on both kinds: ordered, durable, exact when many ask at once, and granted in its order."""

import threading

import pytest

from argosy.core import Conflict, NotFound
from argosy.gateway import capacity, limits
from argosy.gateway.capacity import Granting, InLine
from argosy.gateway.capacity.waitlist import settle
from argosy.gateway.route_spec import read_spec
from argosy.gateway.store import put_route
from argosy.identity import bootstrap, create_project
from argosy.runtime import Database
from argosy.serving import Spec, stop_deployment
from argosy.serving.store import set_outcome, want_deployment

CAN = 6_000
"""Tokens a minute of one replica: a hundred written each second."""


class Town:
    """Some projects, and one model "m" that was fitted and has a waitlist."""

    def __init__(self, database, count=4):
        self.database = database
        with database.write() as tx:
            first = bootstrap(tx).project_id
            self.projects = [create_project(tx, first, f"p{n}").id for n in range(count)]
            self.deployment = want_deployment(tx, first, "m", Spec("llama_cpp"))
            self.fit(tx, 100.0)
            capacity.set_switch(tx, "m", {"waitlist": True})

    def fit(self, tx, written):
        measured = {"Q8_0": {"sixteen_streams": written, "read_sixteen": written * 4}}
        set_outcome(tx, self.deployment.id, 1, fit={"quantisation": "Q8_0", "measured": measured})

    def ask(self, number, tokens, model="", requests=None, database=None):
        scope = "model" if model else "project"
        with (database or self.database).write() as tx:
            return capacity.ask_for_limit(tx, "key_1", self.projects[number], scope, model, requests, tokens)

    def has(self):
        with self.database.read() as tx:
            standing = {one.project_id: one.tokens_per_minute for one in limits.all_limits(tx)}
        return [standing.get(project) for project in self.projects]

    def line(self):
        with self.database.read() as tx:
            return [(self.projects.index(one.waiting.project_id), one.place) for one in capacity.line(tx)]

    def rows(self, state=None):
        with self.database.read() as tx:
            return capacity.list_waiting(tx, self.projects, state, None, 1000)

    def grant(self, waiting):
        with self.database.write() as tx:
            return capacity.grant_anyway(tx, "key_2", self.projects, waiting.id)

    def withdraw(self, waiting):
        with self.database.write() as tx:
            return capacity.withdraw(tx, "key_2", self.projects, waiting.id)


@pytest.fixture
def town(database):
    return Town(database)


def test_what_fits_is_set_at_once_and_leaves_no_row(town):
    assert not isinstance(town.ask(0, CAN), InLine)
    assert (town.has(), list(town.rows())) == ([CAN, None, None, None], [])


def test_what_does_not_fit_waits_and_what_held_before_still_does(town):
    town.ask(0, 4_000)
    town.ask(1, 1_000)
    held = town.ask(1, 2_001)
    assert isinstance(held, InLine)
    assert (held.place, held.waits_for, held.waiting.state) == (1, ["m"], "waiting")
    assert town.has()[:2] == [4_000, 1_000]
    again = town.ask(1, 2_001)
    assert (again.waiting, again.place) == (held.waiting, 1), "to ask again changes nothing"
    assert len(town.rows()) == 1
    assert not isinstance(town.ask(1, 2_000), InLine), "the last word counts"
    assert [row.state for row in town.rows()] == ["withdrawn"]
    assert town.has()[:2] == [4_000, 2_000]


def test_to_ask_for_something_else_is_to_stand_at_the_end(town):
    town.ask(0, CAN)
    first = town.ask(1, 10)
    town.ask(2, 10)
    assert town.line() == [(1, 1), (2, 2)]
    changed = town.ask(1, 20)
    assert (changed.place, changed.waiting.id == first.waiting.id) == (2, False)
    assert town.line() == [(2, 1), (1, 2)]


def test_lowering_and_keys_and_requests_never_wait(town):
    town.ask(0, CAN)
    with town.database.write() as tx:
        town.fit(tx, 10.0)  # far more is sold now than there is
    assert not isinstance(town.ask(0, 5_000), InLine)
    assert not isinstance(town.ask(0, 5_000, requests=7), InLine)
    assert not isinstance(town.ask(1, None, requests=7), InLine)
    with town.database.write() as tx:
        made = capacity.ask_for_limit(tx, "key_1", town.projects[2], "key", "key_9", None, 10**9)
    assert not isinstance(made, InLine)
    assert isinstance(town.ask(0, 5_001), InLine)


@pytest.mark.parametrize("how", ["replicas", "fit", "lowered", "removed", "switched off", "said"])
def test_more_capacity_is_granted_in_the_order_of_asking(town, how):
    held = town.ask(0, CAN)
    for number, tokens in ((1, 5_000), (2, 3_000), (3, 1_000)):
        assert isinstance(town.ask(number, tokens), InLine)
    granting = Granting(town.database)
    granting.refresh()
    assert granting.refresh() is False
    assert town.line() == [(1, 1), (2, 2), (3, 3)]
    with town.database.write() as tx:
        if how == "replicas":
            want_deployment(tx, town.projects[0], "m", Spec("llama_cpp"), replicas=2)
        elif how == "fit":
            town.fit(tx, 200.0)
            want_deployment(tx, town.projects[0], "m", Spec("llama_cpp"), idle_unload_s=60)  # as a switch of engines
        elif how == "lowered":
            capacity.ask_for_limit(tx, "key_1", town.projects[0], "project", "", None, 1_000)
        elif how == "removed":
            capacity.drop_limit(tx, "key_1", town.projects[0], held.id)
        else:
            change = {"waitlist": False} if how == "switched off" else {"tokens_per_minute": 14_000}
            capacity.set_switch(tx, "m", change)
    granting.refresh()
    everything = [5_000, 3_000, 1_000]
    expected = {"replicas": [5_000, None, None], "fit": [5_000, None, None], "lowered": [5_000, None, None],
                "removed": [5_000, None, None], "said": [5_000, 3_000, None]}  # fmt: skip
    assert town.has()[1:] == expected.get(how, everything)
    granted = [row for row in town.rows("granted") if row.decided_by is None and row.decided_at]
    assert len(granted) == sum(tokens is not None for tokens in town.has()[1:])
    assert granting.refresh() is False
    assert town.has()[1:] == expected.get(how, everything)


def test_an_administrators_word_grants_out_of_turn_and_once(town):
    town.ask(0, CAN)
    first, second = town.ask(1, 500).waiting, town.ask(2, 700).waiting
    made = town.grant(second)
    assert (made.state, made.decided_by, town.has()) == ("granted", "key_2", [CAN, None, 700, None])
    assert town.grant(second) == made
    town.ask(2, 600)
    assert town.grant(second) == made
    assert town.has()[2] == 600, "granting again does not set it again"
    with pytest.raises(Conflict, match="granted before"):
        town.withdraw(second)
    gone = town.withdraw(first)
    assert (gone.state, town.withdraw(first)) == ("withdrawn", gone)
    with pytest.raises(Conflict, match="withdrawn before"):
        town.grant(first)
    with town.database.write() as tx, pytest.raises(NotFound, match="argosy waitlist"):
        capacity.grant_anyway(tx, "key_2", town.projects[:2], second.id)


def test_when_the_first_in_line_leaves_the_next_is_granted(town):
    town.ask(0, 5_000)
    large = town.ask(1, 2_000).waiting
    assert isinstance(town.ask(2, 900), InLine), "it would fit, and somebody was there before"
    town.withdraw(large)
    assert (town.has(), town.line()) == ([5_000, None, 900, None], [])


def test_a_limit_that_holds_back_others_of_the_project_cannot_be_removed_into_what_is_not_there(town):
    lower = town.ask(0, 1_000, model="m")
    town.ask(0, CAN)
    town.ask(1, 5_000)
    with town.database.write() as tx, pytest.raises(Conflict, match="Lower those first"):
        capacity.drop_limit(tx, "key_1", town.projects[0], lower.id)
    assert isinstance(town.ask(0, None, model="m", requests=5), InLine), "as little as it can lose its tokens"
    town.ask(0, 1_000)
    with town.database.write() as tx:
        capacity.drop_limit(tx, "key_1", town.projects[0], lower.id)


def test_a_route_is_a_name_for_the_deployment_too(town):
    with town.database.write() as tx:
        put_route(tx, town.projects[0], "chat", read_spec({"targets": [{"model": "m"}]}))
    town.ask(0, 2_000, model="chat")
    town.ask(0, 3_000, model="m")
    assert isinstance(town.ask(1, 1_001), InLine)
    assert not isinstance(town.ask(1, 1_000), InLine)


def test_a_model_that_was_not_measured_has_a_line_only_if_it_can_be_told_what_it_does(town):
    with town.database.write() as tx:
        want_deployment(tx, town.projects[0], "echo", Spec("echo"))
        with pytest.raises(Conflict, match="tokens_per_minute"):
            capacity.set_switch(tx, "echo", {"waitlist": True})
        capacity.set_switch(tx, "echo", {"waitlist": True, "tokens_per_minute": 50})
        with pytest.raises(Conflict, match="tokens_per_minute"):
            capacity.set_switch(tx, "echo", {"tokens_per_minute": None})
    assert isinstance(town.ask(0, 51, model="echo"), InLine)
    assert not isinstance(town.ask(0, 50, model="echo"), InLine)


def test_what_was_promised_of_a_model_is_not_forgotten_while_it_is_stopped(town):
    town.ask(0, CAN)
    town.ask(1, 1)
    with town.database.write() as tx:
        stop_deployment(tx, town.deployment.id)
    Granting(town.database).refresh()
    assert town.line() == [(1, 1)]
    with town.database.write() as tx:
        capacity.set_switch(tx, "m", {"waitlist": False})
    assert town.has()[:2] == [CAN, 1]


def test_many_that_ask_at_once_never_sell_more_than_there_is(database):
    town = Town(database, count=12)
    failures = []

    def ask(number):
        own = Database(database.url)
        try:
            for _ in range(3):  # the same, again and again
                town.ask(number, 1_000, database=own)
        except Exception as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(map(str, town.has())) == ["1000"] * 6 + ["None"] * 6
    assert [place for _, place in town.line()] == [1, 2, 3, 4, 5, 6]
    assert len({row.number for row in town.rows()}) == len(town.rows()) == 6


def test_many_that_grant_at_once_grant_each_once(database):
    town = Town(database, count=8)
    town.ask(0, CAN)
    for number in range(1, 8):
        town.ask(number, 1_000)
    with database.write() as tx:
        want_deployment(tx, town.projects[0], "m", Spec("llama_cpp"), replicas=2)
    failures, granted = [], []

    def sweep():
        own = Database(database.url)
        try:
            with own.write() as tx:
                granted.append(settle(tx))
        except Exception as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=sweep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, sorted(granted)) == ([], [0, 0, 0, 0, 0, 6])
    assert (town.has()[1:], town.line()) == ([1_000] * 6 + [None], [(7, 1)])


def test_a_change_that_fails_half_way_leaves_everything_as_it_was(town, monkeypatch):
    town.ask(0, CAN)
    town.ask(1, 100)
    before = (town.has(), list(town.rows()))
    monkeypatch.setattr(capacity.waitlist, "settle", lambda tx: 1 / 0)
    with pytest.raises(ZeroDivisionError), town.database.write() as tx:
        capacity.drop_limit(tx, "key_1", town.projects[0], limits.list_limits(tx, town.projects[0])[0].id)
    assert (town.has(), list(town.rows())) == before


def test_a_grant_that_fails_is_tried_again_and_keeps_no_refresh_back(town, monkeypatch):
    town.ask(0, CAN)
    town.ask(1, 100)
    granting = Granting(town.database)
    with town.database.write() as tx:
        want_deployment(tx, town.projects[0], "m", Spec("llama_cpp"), replicas=2)
    monkeypatch.setattr("argosy.gateway.capacity.granting.settle", lambda tx: 1 / 0)
    assert granting.refresh() is False
    monkeypatch.undo()
    assert granting.refresh() is True
    assert town.has()[1] == 100
