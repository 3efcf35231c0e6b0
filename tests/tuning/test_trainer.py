import subprocess
import sys

import msgspec

from argosy.runtime.processes import birth
from argosy.tuning import trainer
from argosy.tuning.trainer import read_records, start_trainer, what_is_missing
from argosy.tuning.trainers.protocol import PROGRESS_FILE, Phase

LINE = msgspec.json.encode(Phase("load", 1.0)) + b"\n"


def test_only_whole_lines_are_read_and_each_once(tmp_path):
    file = tmp_path / PROGRESS_FILE
    assert read_records(tmp_path, 0) == ([], 0)
    file.write_bytes(LINE + LINE[:10])
    assert read_records(tmp_path, 0) == ([Phase("load", 1.0)], len(LINE))
    file.write_bytes(LINE + LINE)
    assert read_records(tmp_path, len(LINE)) == ([Phase("load", 1.0)], 2 * len(LINE))


def test_a_line_that_a_kill_cut_short_is_skipped(tmp_path):
    (tmp_path / PROGRESS_FILE).write_bytes(LINE[:10] + LINE + LINE)
    assert read_records(tmp_path, 0) == ([Phase("load", 1.0)], 10 + 2 * len(LINE))


def test_a_trainer_that_was_left_behind_is_ended_first(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    stray = subprocess.Popen(sleeper, start_new_session=True)
    (tmp_path / "trainer.pid").write_text(f"{stray.pid} {birth(stray.pid)}")
    child = start_trainer(tmp_path, sleeper)
    assert stray.wait(5) == -9
    child.terminate(1)


def test_a_process_that_only_has_the_same_id_is_left_alone(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    other = subprocess.Popen(sleeper, start_new_session=True)
    (tmp_path / "trainer.pid").write_text(f"{other.pid} {birth(other.pid) - 1}")
    child = start_trainer(tmp_path, sleeper)
    assert other.poll() is None
    for process in (other, child):
        process.terminate()
    other.wait()


def test_a_machine_without_torch_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(trainer.importlib.util, "find_spec", lambda name: None if name == "torch" else name)
    assert "pip install 'argosy[tune]'" in what_is_missing()
