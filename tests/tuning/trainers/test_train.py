"""A trainer process, as the worker runs it: it learns, survives kill -9, ends when told, says what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gguf
import pytest
from tests.tuning.trainers.conftest import chart_rows

from argosy.tuning.trainers import protocol
from argosy.tuning.trainers.protocol import Checkpoint, Finished, Started, Step, TrainerSpec, Validation


def order(folder: Path, base: Path, rows: list[Any], **settings: Any) -> Path:
    """Place an order in a new work folder."""
    folder.mkdir()
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    settings = {"n_epochs": 6, "batch_size": 4, "rank": 4, "seed": 5, "precision": "fp32", "threads": 1} | settings
    protocol.write_spec(folder, TrainerSpec(base_gguf=str(base), train_rows=str(path), **settings))
    return folder


def start(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "argosy.tuning.trainers", str(folder)], stderr=subprocess.PIPE)


def finish(folder: Path) -> list[protocol.AnyRecord]:
    process = start(folder)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return protocol.read_progress(folder / "progress.jsonl")[0]


def wait_for_steps(folder: Path, steps: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if sum(isinstance(r, Step) for r in protocol.read_progress(folder / "progress.jsonl")[0]) >= steps:
            return
        time.sleep(0.005)
    raise AssertionError("the trainer made no steps")


def test_a_run_from_order_to_adapter(tmp_path: Path, small_gguf: Path) -> None:
    rows = chart_rows(12)
    held_out = tmp_path / "validation.jsonl"
    held_out.write_text(json.dumps({"messages": rows[0]}) + "\n")
    folder = order(tmp_path / "job", small_gguf, rows, validation_rows=str(held_out))
    records = finish(folder)

    started = next(r for r in records if isinstance(r, Started))
    assert (started.total_steps, started.rows, started.precision) == (18, 12, "fp32")
    assert started.hyperparameters.augmented_share == 1.0
    steps = [r for r in records if isinstance(r, Step)]
    assert [s.step for s in steps] == list(range(1, 19))
    assert steps[-1].loss < steps[0].loss - 1
    assert steps[-1].eta_s == 0
    assert len([r for r in records if isinstance(r, Validation)]) == 6
    checkpoints = [r for r in records if isinstance(r, Checkpoint)]
    assert [c.step for c in checkpoints] == [3, 6, 9, 12, 15, 18]
    assert all((folder / c.adapter).exists() for c in checkpoints)

    finished = records[-1]
    assert isinstance(finished, Finished)
    assert finished.trained_tokens == steps[-1].trained_tokens
    adapter = gguf.GGUFReader(folder / finished.adapter)
    assert adapter.fields["adapter.lora.alpha"].contents() == 64.0
    assert len(adapter.tensors) == 2 * 7 * 2


def test_killed_and_run_again_it_equals_a_run_that_was_left_alone(tmp_path: Path, small_gguf: Path) -> None:
    rows = chart_rows(12)
    alone, killed = order(tmp_path / "alone", small_gguf, rows), order(tmp_path / "killed", small_gguf, rows)
    finish(alone)
    process = start(killed)
    wait_for_steps(killed, 8)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    records = finish(killed)
    assert [r.resumed_step for r in records if isinstance(r, Started)][1] >= 6
    assert (killed / "adapter.gguf").read_bytes() == (alone / "adapter.gguf").read_bytes()
    last = [r for r in records if isinstance(r, Finished)][-1]
    assert last.trained_tokens == [r for r in protocol.read_progress(alone / "progress.jsonl")[0]][-1].trained_tokens


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, small_gguf: Path) -> None:
    rows = chart_rows(8)
    folder = order(tmp_path / "job", small_gguf, rows, n_epochs=2)
    finish(folder)
    before = (folder / "adapter.gguf").read_bytes()
    (state,) = folder.glob("checkpoints/*/state.safetensors")
    state.write_bytes(state.read_bytes()[:1000])
    records = finish(folder)
    assert [r.resumed_step for r in records if isinstance(r, Started)] == [0, 0]
    assert (folder / "adapter.gguf").read_bytes() == before


def test_sigterm_ends_it_within_a_second(tmp_path: Path, small_gguf: Path) -> None:
    process = start(order(tmp_path / "job", small_gguf, chart_rows(12), n_epochs=50))
    wait_for_steps(tmp_path / "job", 2)
    process.terminate()
    process.wait(1)
    assert process.returncode == -signal.SIGTERM
    process.communicate()
    assert not (tmp_path / "job" / "adapter.gguf").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="dying with the parent is asked of Linux")
def test_it_never_outlives_its_parent(tmp_path: Path, small_gguf: Path) -> None:
    folder = order(tmp_path / "job", small_gguf, chart_rows(12), n_epochs=50)
    script = "import subprocess,sys;p=subprocess.Popen(sys.argv[1:]);print(p.pid,flush=True);p.wait()"
    command = [sys.executable, "-c", script, sys.executable, "-m", "argosy.tuning.trainers", str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    trainer = int(parent.stdout.readline())
    wait_for_steps(folder, 1)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{trainer}").exists() and "Z" not in Path(f"/proc/{trainer}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the trainer outlived its parent"
        time.sleep(0.02)


def test_a_row_that_cannot_be_trained_is_named(tmp_path: Path, small_gguf: Path) -> None:
    rows = chart_rows(3)
    rows[1][2]["weight"] = 0
    folder = order(tmp_path / "job", small_gguf, rows)
    process = start(folder)
    process.communicate(timeout=60)
    assert process.returncode == 1
    failure = json.loads((folder / "error.json").read_bytes())
    assert failure["code"] == "invalid_training_file"
    assert "Row 2" in failure["message"]


def test_a_base_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = order(tmp_path / "job", tmp_path / "absent.gguf", chart_rows(3))
    process = start(folder)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert "absent.gguf" in json.loads((folder / "error.json").read_bytes())["message"]
    assert os.listdir(folder)
