"""Rows belong to projects, so a store function that is not told the project can mix them up. None may forget."""

import importlib
import inspect
import typing
from pathlib import Path

import argosy

ROOT = Path(argosy.__file__).parent

ALLOWED = {
    # The first start: there is no project yet.
    "argosy.identity.store.bootstrap",
    "argosy.identity.store.default_project",
    # Who is calling is what finds the project, so all keys must be at hand.
    "argosy.identity.store.callers_by_hash",
    # An engine serves all projects: it loads every adapter of its base. Who may call which is the route's business.
    "argosy.catalog.store.adapters_of",
    # The gateway answers for all projects; an alias holds for its own alone, see RouteTable.
    "argosy.catalog.store.all_aliases",
    # So is a route: it holds for its organization alone.
    "argosy.gateway.store.all_routes",
    # The gateway admits for all projects; a lease is of one limit, and a limit of one project.
    "argosy.gateway.limits.store.all_limits",
    "argosy.gateway.limits.store.exchange",
    "argosy.gateway.limits.store.database_now_us",
    # Deployments are the platform's, and all projects that want more of one stand in one line.
    "argosy.gateway.capacity.store.put_switch",
    "argosy.gateway.capacity.store.all_switches",
    "argosy.gateway.capacity.store.all_waiting",
    # What each project said of its own answers.
    "argosy.gateway.cache.store.all_modes",
    # What each project wants kept of its own requests.
    "argosy.gateway.capture.store.all_specs",
    # The catalog is the platform's; what a project made of a model is its own.
    "argosy.catalog.store.remove_card",
    "argosy.catalog.store.load_cards",
    # A provider serves all projects, as a deployment does; only administrators command it.
    "argosy.catalog.store.list_providers",
    "argosy.catalog.store.find_provider",
    "argosy.catalog.store.remove_provider",
    # The price list is the platform's: the same for every project.
    "argosy.billing.store.ensure_price",
    "argosy.billing.store.standing_price",
    "argosy.billing.store.current_prices",
    "argosy.billing.store.price_history",
    "argosy.billing.store.prices_by_id",
    "argosy.billing.store.books_currency",
    "argosy.billing.store.storage_price",
    # Meters go by the clock, for all projects at once; what they bill names each one.
    "argosy.billing.store.meter_mark",
    "argosy.billing.store.move_meter_mark",
    "argosy.datasets.store.stored_byte_seconds",
    # A fund is an organization's, or one of its projects' or keys'.
    "argosy.billing.funds.store.ensure_prepaid",
    "argosy.billing.funds.store.change_allowed",
    # An audit of the whole ledger.
    "argosy.billing.ledger.store.unbalanced_transactions",
    # So is its chain, and the lock that makes those who post take turns.
    "argosy.billing.ledger.store.lock",
    "argosy.billing.ledger.store.read_head",
    "argosy.billing.ledger.store.all_blocks",
    "argosy.billing.ledger.store.all_entries",
    # What was kept long enough is forgotten, whosever it was.
    "argosy.gateway.wires.responses.store.forget_before",
    "argosy.gateway.capture.store.forget_expired",
    # They write rows that name their projects.
    "argosy.billing.store.insert_usage",
    "argosy.billing.ledger.store.post",
    "argosy.billing.invoices.store.insert_invoice",
    # The worker's sweep: it looks for jobs of every project, and gets each one's project with it.
    "argosy.tuning.store.unfinished",
    "argosy.tuning.store.job_at_work",
    "argosy.batches.store.to_do",
    "argosy.batches.store.batch_at_work",
}
"""Functions that speak for the whole platform, each with its reason."""

ALLOWED_MODULES = {
    # Deployments and replicas are machinery that all projects share; only administrators command it.
    "argosy.serving.store",
    # So is the time that engines run; each one's row says who pays.
    "argosy.serving.dedicated.store",
}
"""Stores that hold nothing of a single project."""


def store_functions():
    for file in sorted(ROOT.rglob("store.py")):
        name = ".".join(("argosy", *file.relative_to(ROOT).with_suffix("").parts))
        module = importlib.import_module(name)
        for member, function in inspect.getmembers(module, inspect.isfunction):
            queries = next(iter(inspect.signature(function).parameters), None) == "tx"
            if queries and not member.startswith("_") and function.__module__ == name:
                yield f"{name}.{member}", function


def names_a_project(function):
    """Whether a parameter is a project's id, or an object that carries one, such as a job."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a type that is only imported for checking: its function needs a line in ALLOWED
        hints = {}
    return any(
        name in ("project_id", "project_ids") or carries_project(hints.get(name))
        for name in inspect.signature(function).parameters
    )


def carries_project(hint):
    return "project_id" in getattr(hint, "__annotations__", {}) or any(map(carries_project, typing.get_args(hint)))


def test_every_store_function_is_told_the_project():
    forgetful = [name for name, function in store_functions() if not names_a_project(function)]
    forgetful = [name for name in forgetful if name not in ALLOWED and name.rpartition(".")[0] not in ALLOWED_MODULES]
    assert forgetful == [], "give them (tx, project_id, ...), or list them in ALLOWED with the reason"


def test_a_function_that_forgets_is_noticed():
    def forgets(tx: object, file_id: str) -> None: ...

    def remembers(tx: object, project_id: str, file_id: str) -> None: ...

    assert not names_a_project(forgets)
    assert names_a_project(remembers)


def test_the_list_of_exceptions_has_no_stale_entries():
    assert {name for name, _ in store_functions()} >= ALLOWED
