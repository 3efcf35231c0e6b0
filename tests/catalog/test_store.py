import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import argosy
from argosy.catalog import Lineage, adapters_of, code_version, find_model, list_models, register_adapter
from argosy.core import Conflict, NotFound
from argosy.identity import create_project, default_project
from argosy.runtime import read_version

BASE = "smollm2-135m-instruct"
NAME = f"ft:{BASE}:argosy:charts:7f3k"
LINEAGE = Lineage(
    base=BASE,
    base_digest="b" * 64,
    dataset_digest="d" * 64,
    job="ftjob-1",
    code_version="0.1.0+1a2b3c",
    hyperparameters={"n_epochs": 8, "learning_rate": 0.002, "rank": 32},
)


def test_an_adapter_is_found_again_with_its_lineage(database):
    with database.write() as tx:
        project_id = default_project(tx)
        before = read_version(tx)
        made = register_adapter(tx, project_id, NAME, BASE, "a" * 64, 9_000_000, LINEAGE)
        assert read_version(tx) > before  # serving notices
    with database.read() as tx:
        assert find_model(tx, project_id, NAME) == made
        assert list_models(tx, project_id) == list_models(tx, project_id, BASE) == [made]
    assert made.lineage == LINEAGE
    with pytest.raises(FrozenInstanceError):
        made.digest = "c" * 64


def test_registering_again_is_harmless_but_a_name_never_changes_its_meaning(database):
    with database.write() as tx:
        project_id = default_project(tx)
        made = register_adapter(tx, project_id, NAME, BASE, "a" * 64, 9, LINEAGE)
        assert register_adapter(tx, project_id, NAME, BASE, "a" * 64, 9, LINEAGE) == made
        with pytest.raises(Conflict, match="never changes"):
            register_adapter(tx, project_id, NAME, BASE, "c" * 64, 9, LINEAGE)


def test_an_adapter_needs_a_base_with_a_card(database):
    with database.write() as tx, pytest.raises(NotFound):
        register_adapter(tx, default_project(tx), NAME, "no-such-base", "a" * 64, 9, LINEAGE)


def test_models_of_another_project_cannot_be_seen_but_its_engine_loads_them_all_in_order(database):
    with database.write() as tx:
        first = default_project(tx)
        second = create_project(tx, first, "second").id
        mine = register_adapter(tx, first, f"{NAME}1", BASE, "a" * 64, 9, LINEAGE)
        theirs = register_adapter(tx, second, f"{NAME}2", BASE, "c" * 64, 9, LINEAGE)
        assert list_models(tx, first) == [mine]
        assert [model.id for model in adapters_of(tx, BASE)] == sorted([mine.id, theirs.id])
        with pytest.raises(NotFound):
            find_model(tx, first, theirs.name)


def test_the_code_version_names_the_commit_only_in_a_checkout_of_this_code(tmp_path):
    assert code_version().startswith(argosy.__version__)
    # A copy that was installed inside some other repository must not borrow that one's commit.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copy = tmp_path / "argosy"
    copy.mkdir()
    (copy / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (copy / "lineage.py").write_text(Path(sys.modules["argosy.catalog.lineage"].__file__).read_text())
    shown = subprocess.run(
        [sys.executable, "-c", "from argosy.lineage import code_version; print(code_version())"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "1.2.3"
