"""What a process starts with: each kind imports its own parts and not those of the others."""

import subprocess
import sys

import pytest


def loaded(statement: str) -> set[str]:
    """The modules that are there once this was executed in a process of its own."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).split())


@pytest.mark.parametrize(
    "name", ["openai", "argosy.api", "fastapi", "uvicorn", "dbos", "argosy.batches", "argosy.tuning"]
)
def test_the_supervisor_and_commands_on_a_home_load_no_other_process_s_parts(name: str) -> None:
    assert name not in supervisor()


def test_the_worker_loads_no_door() -> None:
    worker = (
        "from argosy import batches, cli, gateway, serving, tuning\nfrom argosy.runtime import jobs\nimport argosy.app"
    )
    assert not {"argosy.api", "fastapi", "openai"} & loaded(worker)


def supervisor() -> set[str]:
    if not _SEEN:
        _SEEN.update(loaded("import argosy.app, argosy.cli"))
    return _SEEN


_SEEN: set[str] = set()
