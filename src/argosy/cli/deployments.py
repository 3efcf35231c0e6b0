"""``argosy deploy`` and what follows: what is served, by which version, and what its engines say."""

import re
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, show
from argosy.core import Invalid

NameArgument = Annotated[str, typer.Argument(help="A model's name, or an id from 'argosy deployments'.")]


def deploy(
    name: Annotated[str, typer.Argument(help="A name from 'argosy models'.")],
    provider: Annotated[str | None, typer.Option(help="A provider that answers for it; see 'argosy provider'.")] = None,
    provider_model: Annotated[str | None, typer.Option(help="What the provider calls it, if not the same.")] = None,
    idle_unload: Annotated[
        str | None, typer.Option(help="Unload after so long without a request, such as 10m; the next one loads it.")
    ] = None,
    replicas: Annotated[int | None, typer.Option(min=1, help="Engines that share its requests.")] = None,
    quantisation: Annotated[
        str | None, typer.Option(help="Form of the weights, such as Q8_0, or 'best', as 'argosy fit' finds.")
    ] = None,
    dedicated_to: Annotated[
        str | None, typer.Option(help="The one project that may use it, and pays for its engines' seconds.")
    ] = None,
) -> None:
    """Deploy a model: pull, fit, start. Returns at once; 'argosy deployments' shows how far it is.

    What differs from what is served becomes a new version, which takes over when it is ready.
    """
    body = {
        "model": name,
        "provider": provider,
        "provider_model": provider_model,
        "idle_unload_s": idle_unload and parse_duration(idle_unload),
        "replicas": replicas,
        "quantisation": quantisation,
        "dedicated_to": dedicated_to,
    }
    made = post("/deployments", {field: value for field, value in body.items() if value is not None})
    print(f"{made['id']} version {made['version']} {made['state']}")


def deployments(as_json: JsonOption = False) -> None:
    """List deployments and their states."""
    rows = get("/deployments")["data"]
    if not as_json:
        rows = [row | {"says": row["error"] or _says(row["detail"])} for row in rows]
    show(rows, ["id", "model", "version", "engine", "state", "says"], as_json=as_json)


def versions(name: NameArgument, as_json: JsonOption = False) -> None:
    """List what a model was ever to be served with, and how that went."""
    rows = get(f"/deployments/{name}/versions")["data"]
    if not as_json:
        rows = [
            row | {"wanted": "*" if row["wanted"] else "", "served as": (row["fit"] or {}).get("quantisation")}
            for row in rows
        ]
    columns = ["version", "wanted", "engine", "quantisation", "served as", "provider_model", "error"]
    show(rows, columns, as_json=as_json)


def rollback(
    name: NameArgument,
    to: Annotated[
        int | None, typer.Option(min=1, help="The version; by default the last one before that worked.")
    ] = None,
) -> None:
    """Serve an earlier version again; the present one answers until that is ready."""
    made = post(f"/deployments/{name}/rollback", {} if to is None else {"version": to})
    print(f"{made['id']} version {made['version']} {made['state']}")


def logs(
    name: NameArgument, lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many.")] = 200
) -> None:
    """Print the last lines that a model's engines wrote."""
    found = get(f"/deployments/{name}/logs", lines=lines)["lines"]
    print("\n".join(found) if found else "No engine of this model has written anything here.")


def undeploy(name: NameArgument) -> None:
    """Drain a deployment and stop it."""
    connect().delete(f"/deployments/{name}", cast_to=object)
    print(f"{name} is draining")


def parse_duration(text: str) -> int:
    """``90s``, ``10m``, ``2h`` or a number of seconds. Raises Invalid."""
    match = re.fullmatch(r"(\d+)([smh]?)", text.strip().lower())
    if match is None:
        raise Invalid(f"'{text}' is not a duration. Write 90s, 10m or 2h.", code="invalid_duration")
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _says(detail: dict[str, Any]) -> str | None:
    """The one thing that a person wants to know now."""
    if rollout := detail.get("rollout"):
        return f"version {rollout['version']} {rollout['state']}: {rollout['says']}"
    if refused := detail.get("refused"):
        return f"version {refused['version']} could not be served: {refused['error']}"
    return detail.get("progress") or detail.get("quantisation")
