"""The house keeps its own rules: what `make check` runs, run with the tests, so that CI holds the pencil."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "src", "tests", "bench", "tools"],
        ["ruff", "check", "src", "tests", "bench", "tools"],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_checks_pass(command):
    run = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_the_lock_names_every_direct_dependency():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    lines = (ROOT / "requirements.lock").read_text().split()
    locked = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    for requirement in wanted:
        name = requirement.split("[")[0].split(";")[0]
        name = name.split("=")[0].split(">")[0].split("<")[0].strip().lower().replace("_", "-")
        assert name == "argosy" or name in locked, requirement


def test_every_dependency_has_its_line_of_reasons():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs" / "dependencies.md").read_text().lower()
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["local"]]:
        name = requirement.split("[")[0].split("=")[0].split(">")[0].strip().lower()
        assert f"| {name}" in reasons, f"{name} has no line in docs/dependencies.md"
