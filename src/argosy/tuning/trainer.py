"""One trainer process at work on one job's folder."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from argosy.runtime.processes import Child, birth, kill_stray
from argosy.tuning.trainers.protocol import ERROR_FILE, PROGRESS_FILE, AnyRecord, Failure, decode_record

_LOG_FILE = "trainer.log"
_PID_FILE = "trainer.pid"
# On a busy machine the engine goes first: its threads wait for each other at every layer, so that one which is kept
# from running stops them all. On an idle machine this costs the training nothing.
_NICE = "15"

COMMAND = (sys.executable, "-m", "argosy.tuning.trainers")
"""The trainer that Argosy ships. Any program that keeps to `trainers.protocol` may take its place."""


def what_is_missing() -> str | None:
    """What to do before this machine can train, None if it can."""
    missing = [name for name in ("torch", "tokenizers", "safetensors") if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"Training needs {', '.join(missing)}, not installed here. Run: pip install 'argosy[tune]', then try again."


def start_trainer(folder: Path, command: Sequence[str] = COMMAND) -> Child:
    """Start a trainer on a folder. One that an earlier worker left there is ended first: two would mix their files."""
    pid_file = folder / _PID_FILE
    try:
        pid, born = map(int, pid_file.read_text().split())
        kill_stray(pid, born)
    except (OSError, ValueError):
        pass
    child = Child("trainer", ["nice", "-n", _NICE, *command, str(folder)], log=folder / _LOG_FILE)
    pid_file.write_text(f"{child.pid} {birth(child.pid) or 0}")
    return child


def read_failure(folder: Path) -> Failure | None:
    """What the trainer wrote about its own failure, if it did."""
    try:
        return msgspec.json.decode((folder / ERROR_FILE).read_bytes(), type=Failure)
    except (OSError, msgspec.MsgspecError):
        return None


def read_records(folder: Path, offset: int) -> tuple[list[AnyRecord], int]:
    """The complete records from byte ``offset`` on, and where the next ones begin.

    A line cut short by a kill and then continued by the next run is skipped: that step is repeated anyway.
    """
    try:
        with open(folder / PROGRESS_FILE, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    records = []
    for line in data[:end].splitlines():
        try:
            records.append(decode_record(line))
        except msgspec.MsgspecError:
            continue
    return records, offset + end
