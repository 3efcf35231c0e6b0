"""Starting a platform of one's own, and leaving nothing of it behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from argosy.demo import platform as own
from argosy.demo.platform import MARK, OwnPlatform, PlatformFailed, fresh_home

# Stands in for `argosy up`: says where it is, and has a child that ignores SIGTERM.
CHILD = """
import json, os, pathlib, signal, subprocess, sys, time
home = pathlib.Path(sys.argv[1])
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn])
(home / "child").write_text(str(child.pid))
(home / "key").write_text(os.environ["ARGOSY_ADMIN_KEY"])
(home / "up.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie of a parent that is gone is not alive; /proc says so.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def gone(pid: int) -> None:
    for _ in range(200):
        if not alive(pid):
            return
        time.sleep(0.01)
    raise AssertionError("a process was left over")


def until(found: Path) -> None:
    for _ in range(500):
        if found.exists() and found.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"{found} did not appear")


def test_nothing_is_left_of_a_platform_even_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_command", lambda home: [sys.executable, "-c", CHILD, str(home)])
    platform = OwnPlatform(tmp_path)

    def tell() -> None:
        with platform:
            until(tmp_path / "up.json")
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        tell()
    assert (tmp_path / "key").read_text() == platform.key
    gone(int((tmp_path / "child").read_text()))


def test_a_platform_that_ends_at_once_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = "print('port 8080 is in use'); raise SystemExit(1)"
    monkeypatch.setattr(own, "_command", lambda home: [sys.executable, "-c", says])
    with pytest.raises(PlatformFailed, match="port 8080 is in use"), OwnPlatform(tmp_path) as platform:
        platform.wait(lambda state: None)


def test_a_home_of_an_earlier_story_is_emptied_but_for_its_models(tmp_path: Path) -> None:
    home = fresh_home(tmp_path / "home")
    (home / "models").mkdir()
    (home / "argosy.sqlite").write_text("old")
    assert sorted(entry.name for entry in fresh_home(home).iterdir()) == [MARK, "models"]


def test_a_folder_that_no_story_made_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    fresh_home(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters.txt"]


def test_a_home_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text(f'{{"url": "x", "pid": {os.getpid()}}}')
    with pytest.raises(PlatformFailed, match="is running in"):
        fresh_home(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_story_stops_its_platform_within_five_seconds(tmp_path: Path, number: int) -> None:
    story = f"""
import sys
from pathlib import Path
from argosy.demo import DemoOptions, platform, run
platform._command = lambda home: [sys.executable, "-c", {CHILD!r}, str(home)]
sys.exit(run(DemoOptions(out=Path({str(tmp_path)!r}))))
"""
    told = subprocess.Popen([sys.executable, "-c", story], stdout=subprocess.PIPE, text=True)
    until(tmp_path / "home" / "up.json")
    told.send_signal(number)
    started = time.monotonic()
    said, _ = told.communicate(timeout=10)
    assert time.monotonic() - started < 5
    assert told.returncode == 130
    assert "stopped" in said
    gone(int((tmp_path / "home" / "child").read_text()))


def test_a_story_that_is_killed_takes_its_platform_with_it(tmp_path: Path) -> None:
    story = f"""
import sys, time
from pathlib import Path
from argosy.demo import platform
platform._command = lambda home: [sys.executable, "-c", {CHILD!r}, str(home)]
with platform.OwnPlatform(Path({str(tmp_path)!r})):
    time.sleep(60)
"""
    told = subprocess.Popen([sys.executable, "-c", story])
    until(tmp_path / "up.json")
    told.kill()
    told.wait()
    gone(json.loads((tmp_path / "up.json").read_text())["pid"])
    # This paper platform does not look after its own child; a real one does.
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
