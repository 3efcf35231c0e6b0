"""``argosy route``: names that lead to one of several models, with what to do when one fails."""

import json
import sys
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.core import Invalid

app = typer.Typer(help="Routes: one name, several models, failover: set, show, list, roll back.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The name that callers send as the model.")]


@app.command("set")
def set_(
    name: NameArgument,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models by preference: the second is asked when the first fails. Models that share the traffic are "
            "joined by commas, each with its weight: gpt-x=9,small=1"
        ),
    ] = None,
    sticky: Annotated[str | None, typer.Option(help="none, user, key or project: who keeps to one target.")] = None,
    attempts: Annotated[int | None, typer.Option(help="Replicas that a request may be sent to, at most.")] = None,
    first_token: Annotated[float | None, typer.Option(help="Seconds until the first token of a stream.")] = None,
    stall: Annotated[float | None, typer.Option(help="Seconds without a byte, once an answer has begun.")] = None,
    total: Annotated[float | None, typer.Option(help="Seconds for a request, all attempts together.")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="The route as JSON; '-' is standard input.")] = None,
) -> None:
    """Write a route. It holds for the next request; what is under way ends where it began."""
    if bool(targets) == (file is not None):
        raise Invalid("Name the route's targets, or a file that holds the route.", code="targets_missing")
    spec: dict[str, Any] = _read(file) if file is not None else {"targets": _targets(targets or [])}
    spec |= _given(sticky=sticky, attempts=attempts)
    if deadlines := _given(first_token=first_token, stall=stall, total=total):
        spec["deadlines"] = {**spec.get("deadlines", {}), **deadlines}
    made = put(f"/routes/{name}", spec)
    print(f"{name}, version {made['version']}: {_summary(made)}")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the organization's routes."""
    routes = get("/routes")["data"]
    if not as_json:
        routes = [{**route, "leads to": _summary(route)} for route in routes]
    show(routes, ["id", "version", "leads to"], as_json=as_json)


@app.command("show")
def show_(name: NameArgument) -> None:
    """Show a route as JSON, as 'argosy route set --file' takes it."""
    found = get(f"/routes/{name}")
    spec = {key: found[key] for key in ("targets", "sticky", "attempts", "deadlines") if key in found}
    print(json.dumps(spec, ensure_ascii=False, indent=2))


@app.command()
def versions(name: NameArgument, as_json: JsonOption = False) -> None:
    """List what a route has said so far."""
    found = get(f"/routes/{name}/versions")["data"]
    if not as_json:
        found = [{**one, "leads to": "removed" if one["deleted"] else _summary(one)} for one in found]
    show(found, ["version", "created_at", "leads to"], as_json=as_json)


@app.command()
def rollback(
    name: NameArgument,
    version: Annotated[int, typer.Argument(help="The version whose words are to hold again.")],
) -> None:
    """Let an earlier version hold again."""
    made = post(f"/routes/{name}/rollback", {"version": version})
    print(f"{name}, version {made['version']}: {_summary(made)}")


@app.command()
def remove(name: NameArgument) -> None:
    """Take a route away; its name then leads to the model of that name, if there is one."""
    connect().delete(f"/routes/{name}", cast_to=object)
    print(f"{name} is removed")


def _read(file: str) -> dict[str, Any]:
    try:
        with sys.stdin if file == "-" else open(file, encoding="utf-8") as source:
            members = json.load(source)
    except (OSError, ValueError) as error:
        raise Invalid(f"The route cannot be read from {file}: {error}", code="invalid_route") from None
    if not isinstance(members, dict):
        raise Invalid("A route is a JSON object with 'targets'.", code="invalid_route")
    return members


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _targets(levels: list[str]) -> list[dict[str, Any]]:
    """``a=9,b=1 c``: one priority after another, models with their weights."""
    found = []
    for priority, level in enumerate(levels):
        for one in level.split(","):
            model, _, weight = one.partition("=")
            if not model or (weight and not weight.isdecimal()):
                raise Invalid(f"'{one}' is not a target. Write MODEL or MODEL=WEIGHT.", code="invalid_route")
            found.append({"model": model, "priority": priority, **({"weight": int(weight)} if weight else {})})
    return found


def _summary(route: dict[str, Any]) -> str:
    """``a (9), b (1) → c``"""
    levels: dict[int, list[str]] = {}
    for target in route["targets"]:
        shown = target["model"] + (f" ({target['weight']})" if "weight" in target else "")
        levels.setdefault(target.get("priority", 0), []).append(shown + (" if …" if "when" in target else ""))
    return " → ".join(", ".join(levels[priority]) for priority in sorted(levels))
