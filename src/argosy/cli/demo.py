"""``argosy demo``: the main job, told live."""

from pathlib import Path
from typing import Annotated

import typer

from argosy.cli.client import JsonOption


def demo(
    out: Annotated[Path, typer.Option(help="Where report.html and report.json go.")] = Path("out/demo"),
    home: Annotated[Path | None, typer.Option(help="Home of the demo's platform. Default: under --out.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="en or zh; default: both.")] = None,
    sample: Annotated[int | None, typer.Option(min=3, help="Score this many held-out requests a language.")] = None,
    as_json: JsonOption = False,
) -> None:
    """From a hundred examples to a deployed, measured, billed model; writes a report."""
    from argosy.demo import DemoOptions, run

    options = DemoOptions(out=out, home=home, languages=tuple(language or ("en", "zh")), sample=sample, json=as_json)
    raise typer.Exit(run(options))
