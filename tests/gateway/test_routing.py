"""The table of models in memory."""

import threading
from dataclasses import replace

import pytest
from tests.gateway.harness import Tariff

from argosy.billing import current_prices, ensure_price
from argosy.core import NotFound, Unavailable
from argosy.gateway import RouteTable
from argosy.gateway.routing import Configuration, expected
from argosy.identity import bootstrap
from argosy.runtime import bump_version
from argosy.serving import Route, deploy, stop_deployment

STARTER = "smollm2-135m-instruct"


def route(model, project_id=None):
    return Route(
        model=model, project_id=project_id, base_model="base-8b", url="http://127.0.0.1:1", adapter_index=None,
        adapter_count=0, engine="echo", context_length=1, replica_id="rep_1",
    )  # fmt: skip


def table(database, *routes, priced=True):
    with database.write() as tx:
        if priced:
            ensure_price(tx, "base-8b", Tariff())
        bump_version(tx)
    found = RouteTable(database, lambda tx: Configuration(routes, current_prices(tx)))
    found.refresh()
    return found


def test_the_database_is_read_again_only_after_a_change(database):
    found = table(database)
    assert not found.refresh()
    with database.write() as tx:
        bump_version(tx)
    assert found.refresh()


def test_an_older_view_never_takes_the_place_of_a_newer_one(database):
    """Two look at once, and the one that began earlier is slower."""
    found = table(database, route("base-8b"))
    begun, over = threading.Event(), threading.Event()

    def read(tx):
        first = not begun.is_set()
        begun.set()
        if first:
            over.wait(0.5)
        return Configuration([route("base-8b" if first else "newer")], current_prices(tx))

    found._read = read
    with database.write() as tx:
        bump_version(tx)
    slow = threading.Thread(target=found.refresh)
    slow.start()
    assert begun.wait(10)
    with database.write() as tx:
        bump_version(tx)
    found.refresh()
    over.set()
    slow.join()
    assert found.find("proj", "newer")


def test_near_names_are_suggested_but_never_another_projects(database):
    found = table(database, route("base-8b"), route("base-9b", "proj_other"))
    with pytest.raises(NotFound) as error:
        found.find("proj_mine", "base-8")
    assert "'base-8b'" in error.value.message
    assert "base-9b" not in error.value.message


def test_an_adapter_costs_what_its_base_does(database):
    assert table(database, route("ft:x")).find("proj", "ft:x").price_version.startswith("price_")


def test_nothing_is_served_without_a_price(database):
    with pytest.raises(Unavailable, match="price"):
        table(database, route("ft:x"), priced=False).find("proj", "ft:x")


def test_a_model_whose_engine_is_away_is_not_an_unknown_model(database):
    with database.write() as tx:
        deployment = deploy(tx, bootstrap(tx).project_id, STARTER, "echo")
        assert [(route.model, route.url) for route in expected(tx)] == [(STARTER, "")]
        stop_deployment(tx, deployment.id)
        assert expected(tx) == []


def test_a_model_without_a_replica_is_found_but_not_listed(database):
    found = table(database, replace(route("base-8b"), url=""))
    assert not found.find("proj", "base-8b").ready
    assert found.models("proj") == []
