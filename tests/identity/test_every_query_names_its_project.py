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
    "argosy.billing.store.storage_price",
    # Meters go by the clock, for all projects at once; what they bill names each one.
    "argosy.billing.store.meter_mark",
    "argosy.billing.store.move_meter_mark",
    "argosy.datasets.store.stored_byte_seconds",
    # A fund is an organization's, or one of its projects' or keys'.
    "argosy.billing.funds.store.ensure_prepaid",
    "argosy.billing.funds.store.change_allowed",
    "argosy.billing.funds.store.add_spent",
    # So are credits and alerts: these are told the organization, or funds that the poster or the sweep names.
    "argosy.billing.credits.store.remember_request",
    "argosy.billing.credits.store.insert_credit",
    "argosy.billing.credits.store.find_credit",
    "argosy.billing.credits.store.list_credits",
    "argosy.billing.credits.store.list_balances",
    "argosy.billing.credits.store.lock_payers",
    "argosy.billing.credits.store.open_credits",
    "argosy.billing.credits.store.take_from_credits",
    "argosy.billing.credits.store.put_on_account",
    "argosy.billing.credits.store.funds_with_expired",
    "argosy.billing.credits.store.expire",
    "argosy.billing.alerts.store.levels",
    "argosy.billing.alerts.store.insert_alert",
    "argosy.billing.alerts.store.list_alerts",
    # Webhooks are an organization's; the worker delivers the messages of all.
    "argosy.billing.webhooks.store.insert_webhook",
    "argosy.billing.webhooks.store.list_webhooks",
    "argosy.billing.webhooks.store.remove_webhook",
    "argosy.billing.webhooks.store.enqueue",
    "argosy.billing.webhooks.store.list_deliveries",
    "argosy.billing.webhooks.store.anything_due",
    "argosy.billing.webhooks.store.claim_due",
    "argosy.billing.webhooks.store.record_attempt",
    "argosy.billing.prices.store.ensure_price",
    "argosy.billing.prices.store.ensure_cost",
    "argosy.billing.prices.store.standing_price",
    "argosy.billing.prices.store.standing_cost",
    "argosy.billing.prices.store.current_prices",
    "argosy.billing.prices.store.current_costs",
    "argosy.billing.prices.store.price_history",
    "argosy.billing.prices.store.cost_history",
    "argosy.billing.prices.store.prices_by_id",
    "argosy.billing.prices.store.costs_by_id",
    "argosy.billing.prices.store.next_change",
    "argosy.billing.prices.store.books_currency",
    "argosy.billing.prices.store.versions_of",
    # A fund is an organization's, or one of its projects' or keys'; who manages it is asked for by that.
    "argosy.billing.funds.store.put_budget",
    "argosy.billing.funds.store.get_fund",
    "argosy.billing.funds.store.list_funds",
    "argosy.billing.funds.store.remove_budget",
    # The gateway, and who posts, keep to the funds of all; a lease is of one fund.
    "argosy.billing.funds.store.all_hard_funds",
    "argosy.billing.funds.store.lock_all",
    "argosy.billing.funds.store.begin_month",
    "argosy.billing.funds.leases.store.exchange",
    "argosy.billing.funds.leases.store.rolled",
    "argosy.billing.funds.leases.store.take_back",
    "argosy.billing.funds.leases.store.leased_by",
    "argosy.billing.funds.leases.store.beat",
    "argosy.billing.funds.leases.store.standing",
    "argosy.billing.funds.leases.store.forget",
    "argosy.billing.funds.leases.store.end_leases",
    "argosy.billing.funds.store.give_back",
    # Shares are agreed for a model, whoever uses it, and owed to an owner, who is no tenant; only administrators see
    # them.
    "argosy.billing.shares.store.rules_of",
    "argosy.billing.shares.store.last_number",
    "argosy.billing.shares.store.insert_rule",
    "argosy.billing.shares.store.currencies",
    "argosy.billing.shares.store.read_months",
    "argosy.billing.shares.store.write_months",
    "argosy.billing.shares.store.months_of",
    "argosy.billing.shares.store.payables",
    "argosy.billing.shares.store.payable",
    "argosy.billing.shares.store.first_entry_since",
    "argosy.billing.shares.store.earned",
    "argosy.billing.shares.store.other_movements",
    "argosy.billing.shares.store.owner_names",
    "argosy.billing.shares.store.insert_payout",
    "argosy.billing.shares.store.select_payouts",
    # A correction is of a transaction, which may be about several projects or none; only administrators make one.
    "argosy.billing.corrections.store.insert_correction",
    "argosy.billing.corrections.store.taken_back",
    "argosy.billing.corrections.store.fund_of",
    "argosy.billing.corrections.store.list_corrections",
    # Reconciliation goes through all projects, and then asks for each one's rows by its name.
    "argosy.billing.reconciliation.store.projects_with_usage",
    # What it finds is of hours and models, of the whole platform.
    "argosy.billing.reconciliation.store.replace_reconciliations",
    "argosy.billing.reconciliation.store.select_reconciliations",
    "argosy.billing.reconciliation.store.sum_of_differences",
    # Engines and providers serve all projects.
    "argosy.billing.reconciliation.store.put_engine_count",
    "argosy.billing.reconciliation.store.select_engine_counts",
    "argosy.billing.reconciliation.store.insert_provider_invoice",
    "argosy.billing.reconciliation.store.find_provider_invoice",
    "argosy.billing.reconciliation.store.provider_invoice_days",
    # An audit of the whole ledger.
    "argosy.billing.ledger.store.unbalanced_transactions",
    "argosy.billing.ledger.store.trial_balance",
    "argosy.billing.ledger.store.find_entries",
    "argosy.billing.ledger.store.lines_of",
    # So is its chain, and the lock that makes those who post take turns.
    "argosy.billing.ledger.store.lock",
    "argosy.billing.ledger.store.read_head",
    "argosy.billing.ledger.store.all_blocks",
    "argosy.billing.ledger.store.all_entries",
    # What was kept long enough is forgotten, whosever it was.
    "argosy.gateway.wires.responses.store.forget_before",
    "argosy.gateway.capture.store.forget_expired",
    # An invoice is an organization's, and so is what is settled of it: these are told which. Postings are of all.
    "argosy.billing.store.next_posting",
    "argosy.billing.store.last_posting",
    "argosy.billing.invoices.store.next_number",
    "argosy.billing.invoices.store.last_closed",
    "argosy.billing.invoices.store.overlapping",
    "argosy.billing.invoices.store.select_lines",
    "argosy.billing.invoices.store.select_shares",
    "argosy.billing.invoices.settlement.store.notes_of",
    "argosy.billing.invoices.settlement.store.note_with",
    "argosy.billing.invoices.settlement.store.payments_of",
    "argosy.billing.invoices.settlement.store.payment_with",
    "argosy.billing.invoices.settlement.store.insert_note",
    "argosy.billing.invoices.settlement.store.insert_payment",
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
