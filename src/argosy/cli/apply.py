"""``argosy apply``: make the fleet what a file says it is."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.client import connect, get
from argosy.cli.fleet import ORGANIZATION, Present, plan, read_fleet
from argosy.core import Invalid


def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="A fleet file; see 'docs/fleet.md'.")],
    prune: Annotated[bool, typer.Option("--prune", help="Also take away what the file does not name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only; exit 2 if it is not empty.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")] = False,
) -> None:
    """Show what differs between a fleet file and what is there, ask, and change only that. Safe to run twice."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", code="invalid_fleet") from error
    steps = plan(read_fleet(text), _present(), os.environ, prune=prune)
    for step in steps:
        print(f"{step.sign} {step.what}")
    if not steps:
        print("Nothing to do: the fleet is as the file says.")
        return
    if dry_run:
        sys.exit(2)
    if not yes:
        typer.confirm(f"Carry out {len(steps)} {'step' if len(steps) == 1 else 'steps'}?", abort=True)
    client = connect()
    for step in steps:
        if step.method == "DELETE":
            client.delete(step.path, cast_to=object)
        else:
            call = client.put if step.method == "PUT" else client.post
            call(step.path, cast_to=object, body=dict(step.body or {}))
        print(f"done: {step.what}")


def _present() -> Present:
    wanted = [one for one in get("/deployments")["data"] if one["state"] not in ("stopped", "draining")]
    projects = get("/projects")["data"]
    names = {one["id"]: one["name"] for one in projects} | {one["organization_id"]: ORGANIZATION for one in projects}
    return Present(
        providers={one["name"]: one for one in get("/providers")["data"]},
        deployments={one["model"]: one for one in wanted},
        aliases={one["id"]: one["target"] for one in get("/aliases")["data"]},
        routes={one["id"]: one for one in get("/routes")["data"]},
        capacity={one["model"]: one for one in get("/capacity")["data"]},
        budgets={names[one["subject"]]: one for one in get("/budgets")["data"] if one["subject"] in names},
        shares={one["model"]: one for one in get("/shares")["data"]},
    )
