"""The command line: every verb a person types. Commands that need the platform talk to its public API, as clients do.

Imports stay inside the commands, so that ``argosy --help`` answers at once.
"""

import typer

from argosy.cli import (
    apply,
    batch,
    budgets,
    cache,
    capacity,
    capture,
    chat,
    credits,
    demo,
    deployments,
    doctor,
    hub_tokens,
    invoices,
    keys,
    ledger,
    licences,
    limits,
    meters,
    models,
    money,
    platform,
    prices,
    providers,
    reconcile,
    routes,
    shares,
    top,
    tune,
    webhooks,
)

app = typer.Typer(
    name="argosy",
    help="Your own model cloud: from a hundred examples to a deployed, measured, billed model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("up")(platform.up)
app.command("api")(platform.api)
app.command("worker")(platform.worker)
app.command("pull")(models.pull)
app.command("import")(models.import_)
app.command("models")(models.models)
app.command("fit")(models.fit)
app.command("deploy")(deployments.deploy)
app.command("deployments")(deployments.deployments)
app.command("versions")(deployments.versions)
app.command("rollback")(deployments.rollback)
app.command("logs")(deployments.logs)
app.command("undeploy")(deployments.undeploy)
app.command("apply")(apply.apply)
app.command("alias")(models.alias)
app.command("aliases")(models.aliases)
app.command("tune")(tune.tune)
app.command("jobs")(tune.jobs)
app.command("chat")(chat.chat)
app.command("usage")(money.usage)
app.command("top")(top.top)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(keys.app, name="keys")
app.add_typer(batch.app, name="batch")
app.add_typer(licences.app, name="licences")
app.add_typer(providers.app, name="provider")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(routes.app, name="route")
app.add_typer(cache.app, name="cache")
app.add_typer(capture.app, name="capture")
app.add_typer(hub_tokens.app, name="hub-token")
app.add_typer(limits.app, name="limits")
app.add_typer(credits.app, name="credits")
app.add_typer(webhooks.app, name="webhooks")
app.command("alerts")(webhooks.alerts)
app.add_typer(budgets.app, name="budgets")
app.add_typer(prices.app, name="prices")
app.add_typer(meters.app, name="meters")
app.add_typer(capacity.app, name="capacity")
app.add_typer(capacity.waitlist, name="waitlist")
app.add_typer(shares.app, name="shares")
app.add_typer(ledger.app, name="ledger")
app.add_typer(invoices.app, name="invoice")


def main() -> None:
    """Entry point of the ``argosy`` command: errors meant for people end as one line and exit status 1."""
    from argosy.cli.client import tell

    with tell():
        app()
