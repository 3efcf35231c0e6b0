"""``argosy up``, ``argosy api``, ``argosy worker``: the platform's processes."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.core import Invalid, Settings

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of all state; ARGOSY_HOME or ~/.argosy.")]
PortOption = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the API; 0 = any free one.")]


def up(
    home: HomeOption = None,
    port: PortOption = None,
    deploy: Annotated[list[str] | None, typer.Option("--deploy", help="Deploy this model if it is not yet.")] = None,
    no_console: Annotated[
        bool, typer.Option("--no-console", help="Without the web console (this version has none to start).")
    ] = False,
) -> None:
    """Run the whole platform on this machine until Ctrl-C."""
    from argosy.app import run_platform

    raise typer.Exit(run_platform(read_settings(home, port), deploy or []))


def api(
    home: HomeOption = None,
    port: PortOption = None,
    fd: Annotated[int | None, typer.Option(help="Serve this inherited listening socket.", hidden=True)] = None,
) -> None:
    """Run one API process alone (a cluster runs several)."""
    from argosy.app import run_api

    raise typer.Exit(run_api(read_settings(home, port), fd))


def worker(home: HomeOption = None) -> None:
    """Run the worker alone: durable jobs, and the reconciler that makes engines match deployments."""
    from argosy.app import run_worker

    raise typer.Exit(run_worker(read_settings(home, None)))


def read_settings(home: Path | None, port: int | None) -> Settings:
    """Settings from the environment and the command line. Raises Invalid."""
    try:
        return Settings.read(home=home, port=port)
    except ValueError as error:
        raise Invalid(str(error), code="bad_settings") from error
