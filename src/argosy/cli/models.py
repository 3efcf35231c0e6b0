"""``argosy pull``, ``models``, ``deploy``: what can run here, and what does."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, post, show
from argosy.cli.platform import HomeOption, read_settings

ModelArgument = Annotated[str, typer.Argument(help="A name from 'argosy models'.")]


def pull(name: ModelArgument, home: HomeOption = None) -> None:
    """Get a model's weights, checked against the digest on its card."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from argosy.catalog import Progress as Step
    from argosy.catalog import card, pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(f"pull {name}", total=None)

        def show_step(step: Step) -> None:
            bar.update(task, description=step.message, completed=step.done_bytes, total=step.total_bytes)

        path = pull(card(name), read_settings(home, None).home, show_step)
    print(path)


def models(as_json: JsonOption = False) -> None:
    """List the models that this key may call, and the cards that could be deployed."""
    callable_ = {model.id: model for model in connect().models.list().data}
    rows = [{"model": name, "state": "answers", "owned_by": model.owned_by} for name, model in callable_.items()]
    rows += [
        {"model": card["name"], "state": "in the catalog", **card}
        for card in get("/catalog")["data"]
        if card["name"] not in callable_
    ]
    show(rows, ["model", "state", "owned_by", "family", "parameters", "licence"], as_json=as_json)


def deploy(name: ModelArgument) -> None:
    """Deploy a model: pull, fit, start. Returns at once; 'argosy deployments' shows how far it is."""
    made = post("/deployments", {"model": name})
    print(f"{made['id']} {made['state']}")


def deployments(as_json: JsonOption = False) -> None:
    """List deployments and their states."""
    show(get("/deployments")["data"], ["id", "model", "engine", "state", "error"], as_json=as_json)


def undeploy(deployment_id: Annotated[str, typer.Argument(help="An id from 'argosy deployments'.")]) -> None:
    """Drain a deployment and stop it."""
    connect().delete(f"/deployments/{deployment_id}", cast_to=object)
    print(f"{deployment_id} is draining")
