"""The seconds of engines that are one project's alone: each second once, whoever meters and whoever is killed."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from argosy import billing, identity
from argosy.billing import Terms
from argosy.billing.invoices import close
from argosy.billing.reports import EventFilter, list_events
from argosy.core import Invalid, charge, new_id
from argosy.gateway.routing import RouteTable
from argosy.serving import Provided, deploy
from argosy.serving.dedicated import EngineMeter
from argosy.serving.dedicated.meter import GRACE_US, WINDOW_US
from argosy.serving.store import ReplicaRow, add_replica, ready_replicas, remove_replica, set_replica_state

SECOND = 1_000_000
T0 = 5_900_000 * WINDOW_US
"""A window begins."""
HOURLY = 277_777_778
"""A unit of the currency an hour, in micro-units per million seconds."""
FREE = Terms("USD", 0, 0, 0)


@pytest.fixture
def fleet(database):
    """A dedicated deployment with one ready engine."""
    with database.write() as tx:
        first = identity.bootstrap(tx)
        other = identity.create_project(tx, first.project_id, "other")
        made = deploy(
            tx,
            first.project_id,
            "echo",
            prices=replace(FREE, measured={"engine_seconds": HOURLY}),
            dedicated_to=first.project_id,
        )
        deploy(tx, first.project_id, "shared", "echo", prices=replace(FREE, measured={"engine_seconds": HOURLY}))
    found = SimpleNamespace(project=first.project_id, other=other.id, deployment=made, meter=EngineMeter(database))
    found.replica = start(database, made)
    return found


def start(database, deployment, state="ready"):
    replica = new_id("rep_")
    with database.write() as tx:
        named = {"id": replica, "deployment_id": deployment.id, "version": deployment.version, "state": state}
        process = {"pid": 1, "born": 1, "url": "http://127.0.0.1:1", "started_at": 1, "error": None}
        add_replica(tx, ReplicaRow(**named, **process, adapters=[], context_length=100))
    return replica


def rows(database, project):
    with database.read() as tx:
        return list_events(tx, project, EventFilter(), newest_first=False, limit=1000)


def watch(meter, start_us, end_us, step_s=5):
    for at in range(start_us, end_us, step_s * SECOND):
        meter.look(at)


def test_an_engine_is_paid_for_though_nobody_calls(database, fleet):
    begun = T0 + 100 * SECOND
    watch(fleet.meter, begun, T0 + 3 * WINDOW_US + GRACE_US + 5 * SECOND)
    found = rows(database, fleet.project)
    assert [line.units["measured"] for line in found] == [200, 300, 300]
    assert {(line.kind, line.measured, line.model, line.target) for line in found} == {
        ("engine", "engine_seconds", "echo", "echo")
    }
    assert found[0].model_version == f"{fleet.deployment.id} v1"
    assert [line.total for line in found] == [charge(seconds, HOURLY) for seconds in (200, 300, 300)]
    with database.read() as tx:
        assert billing.balance(tx, fleet.project, "receivable") == sum(line.total for line in found)
    assert rows(database, fleet.other) == []


def test_the_invoice_has_a_line_for_it(database, fleet):
    watch(fleet.meter, T0, T0 + WINDOW_US + 2 * GRACE_US)
    invoice = close(database, fleet.project)
    (line,) = invoice.lines
    assert (line.quantity, line.units, line.unit_price, line.amount) == ("engine_seconds", 300, HOURLY, invoice.total)


def test_two_workers_that_meter_at_once_count_once(database, fleet):
    meters = [EngineMeter(database) for _ in range(4)]
    errors = []

    def run(meter):
        try:
            watch(meter, T0, T0 + WINDOW_US + 2 * GRACE_US, step_s=10)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(meter,)) for meter in meters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [line.units["measured"] for line in rows(database, fleet.project)] == [300]


def test_a_worker_that_is_gone_between_windows_costs_nobody_anything(database, fleet):
    watch(fleet.meter, T0, T0 + 200 * SECOND)  # its last look is at 195 s; then it is killed, and its engine with it
    with database.write() as tx:
        remove_replica(tx, fleet.replica)
    again = start(database, fleet.deployment)
    meter = EngineMeter(database)
    watch(meter, T0 + WINDOW_US + 60 * SECOND, T0 + 2 * WINDOW_US + 2 * GRACE_US)
    found = rows(database, fleet.project)
    assert [(line.id, line.units["measured"]) for line in found] == [
        (f"eng_{fleet.replica}_{T0 // WINDOW_US}", 195),
        (f"eng_{again}_{T0 // WINDOW_US + 1}", 240),
    ]
    for at in (T0, T0 + WINDOW_US, T0 + 2 * WINDOW_US + GRACE_US):  # a clock that is set back
        meter.look(at)
    assert rows(database, fleet.project) == found


def test_what_is_not_seen_is_not_charged(database, fleet):
    fleet.meter.look(T0 + 10 * SECOND)
    fleet.meter.look(T0 + WINDOW_US + 200 * SECOND)  # it slept through the end of the window
    watch(fleet.meter, T0 + WINDOW_US + 200 * SECOND, T0 + 2 * WINDOW_US + 2 * GRACE_US)
    assert [line.units["measured"] for line in rows(database, fleet.project)] == [100]


def test_an_engine_that_only_starts_is_not_paid_for(database, fleet):
    with database.write() as tx:
        set_replica_state(tx, fleet.replica, "starting")
    watch(fleet.meter, T0, T0 + WINDOW_US + 2 * GRACE_US)
    assert rows(database, fleet.project) == []


def test_a_new_price_holds_from_the_next_window_on(database, fleet):
    fleet.meter.look(T0)
    with database.write() as tx:
        deploy(tx, fleet.project, "echo", prices=replace(FREE, measured={"engine_seconds": 2 * HOURLY}))
    watch(fleet.meter, T0 + SECOND, T0 + 2 * WINDOW_US + 2 * GRACE_US)
    prices = [line.unit_prices["measured"] for line in rows(database, fleet.project)]
    assert prices == [HOURLY, 2 * HOURLY]


def test_nobody_else_finds_it(database, fleet):
    table = RouteTable(database)
    table.refresh()
    assert {offer.route.project_id for offer in table.offers(fleet.project, "echo")} == {fleet.project}
    assert table.offers(fleet.other, "echo") == ()
    with database.write() as tx:
        assert [row.dedicated_to for row in ready_replicas(tx)] == [fleet.project]
        deploy(tx, fleet.project, "echo", dedicated_to="")
    table.refresh()
    assert table.offers(fleet.other, "echo")


def test_a_providers_model_cannot_be_dedicated(database, fleet):
    provided = Provided("house", "gpt")
    with database.write() as tx, pytest.raises(Invalid, match="answered for by a provider"):
        deploy(tx, fleet.project, "gpt", provided=provided, prices=FREE, dedicated_to=fleet.project)


_METER = """
import sys
from argosy.runtime import Database
from argosy.serving.dedicated import EngineMeter
from argosy.serving.dedicated.meter import WINDOW_US
database, at = Database(sys.argv[1]), int(sys.argv[2])
meter = EngineMeter(database)
print("ready", flush=True)
while True:
    meter.look(at)
    at += 1_000_000
"""


def test_kill_9_wherever_it_hits(database, fleet):
    """Each worker meters as fast as it can, a second of made-up time a look, and is killed somewhere; the next goes on
    where it may have been.
    """
    at = T0
    for number in range(4):
        worker = subprocess.Popen(
            [sys.executable, "-c", _METER, database.url, str(at)], stdout=subprocess.PIPE, text=True
        )
        worker.stdout.readline()
        time.sleep(0.4 + 0.13 * number)
        worker.kill()
        worker.wait()
        worker.stdout.close()
        at += 20 * SECOND
    watch(fleet.meter, at, T0 + 3 * WINDOW_US + GRACE_US, step_s=10)
    fleet.meter.look(T0 + 9 * WINDOW_US)
    found = rows(database, fleet.project)
    assert len({line.id for line in found}) == len(found)
    assert all(line.units["measured"] <= 300 for line in found)
    assert [line.units["measured"] for line in found[:3]] == [300, 300, 300]
    with database.read() as tx:
        assert billing.balance(tx, fleet.project, "receivable") == sum(line.total for line in found)
