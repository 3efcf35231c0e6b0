"""Children never outlive their parent, whatever ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from argosy.core import Conflict
from argosy.runtime.processes import Child, birth, kill_stray, last_words, terminate_all
from argosy.runtime.supervisor import HomeLock, Program, Supervisor, listen

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def gone(pid: int, within_s: float = 3.0) -> bool:
    deadline = time.monotonic() + within_s
    while birth(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return birth(pid) is None


def eventually(condition, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_child_writes_to_its_log_and_tells_how_it_ended(tmp_path: Path) -> None:
    child = Child(
        "hello", [sys.executable, "-c", "print('Ahoy'); raise SystemExit(3)"], log=tmp_path / "logs" / "hello.log"
    )
    assert child.wait(5)
    assert child.exit_code == 3
    assert child.last_words() == "Ahoy"


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Child] = []
    thread = threading.Thread(target=lambda: started.append(Child("sleep", SLEEP, log=tmp_path / "log")))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert started[0].alive
    started[0].terminate()
    assert gone(started[0].pid)


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = Child("stubborn", STUBBORN, log=tmp_path / "log")
    assert eventually(lambda: child.last_words() == "up")
    began = time.monotonic()
    terminate_all([child], grace_s=0.3)
    assert time.monotonic() - began < 2
    assert child.exit_code == -signal.SIGKILL


def test_a_killed_parent_takes_child_and_grandchild_with_it(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from argosy.runtime.processes import Child
depth = int(sys.argv[1])
command = [sys.executable, __file__, str(depth - 1)] if depth else [sys.executable, "-c", "import time; time.sleep(60)"]
child = Child("c", command, log=Path({str(tmp_path)!r}) / f"{{depth}}.log")
print(child.pid, flush=True)
time.sleep(60)
"""
    (tmp_path / "parent.py").write_text(script)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", "1"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert eventually(lambda: last_words(tmp_path / "1.log") != "")
    grandchild = int(last_words(tmp_path / "1.log"))
    assert birth(child) is not None
    assert birth(grandchild) is not None
    parent.kill()
    parent.wait()
    assert gone(child)
    assert gone(grandchild)


def test_a_stray_is_killed_only_if_it_is_still_the_same_process(tmp_path: Path) -> None:
    child = Child("stray", SLEEP, log=tmp_path / "log")
    born = birth(child.pid)
    assert born is not None
    kill_stray(child.pid, born + 1)
    assert child.alive
    kill_stray(child.pid, born)
    assert child.wait(3)


def run_in_thread(supervisor: Supervisor) -> threading.Thread:
    """Signals belong to the main thread, so the supervisor runs there in life; here only its loop is needed."""
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    return thread


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)


@pytest.mark.usefixtures("no_signals")
def test_a_program_that_is_killed_is_started_again(tmp_path: Path) -> None:
    told: list[str] = []
    supervisor = Supervisor([Program("sleeper", SLEEP, tmp_path / "log")], told.append)
    thread = run_in_thread(supervisor)
    assert eventually(lambda: "sleeper" in supervisor.pids())
    first = supervisor.pids()["sleeper"]
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: supervisor.pids().get("sleeper", first) != first)
    assert "SIGKILL" in told[0]
    last = supervisor.pids()["sleeper"]
    supervisor.stop()
    thread.join()
    assert gone(last)


@pytest.mark.usefixtures("no_signals")
def test_a_final_exit_code_stops_everything(tmp_path: Path) -> None:
    told: list[str] = []
    fails = Program(
        "api", [sys.executable, "-c", "raise SystemExit(9)"], tmp_path / "a", final_codes={9: "no database"}
    )
    supervisor = Supervisor([fails, Program("sleeper", SLEEP, tmp_path / "log")], told.append)
    assert supervisor.run() == 9
    assert told == ["api: no database"]
    assert supervisor.pids() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_even_stubborn_programs_within_five_seconds(tmp_path: Path, number: int) -> None:
    script = f"""
import sys
from pathlib import Path
from argosy.runtime.supervisor import Program, Supervisor
home = Path({str(tmp_path)!r})
stubborn = {STUBBORN!r} if {number} == 2 else ["echo", "up"]
Supervisor([Program("stubborn", stubborn, home / "s.log"), Program("sleep", {SLEEP!r}, home / "log")]).run()
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    assert eventually(lambda: last_words(tmp_path / "s.log").startswith("up"))
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5


def test_one_platform_per_home(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    with pytest.raises(Conflict, match=f"process {os.getpid()}") as refused:
        HomeLock(tmp_path)
    assert refused.value.code == "home_in_use"
    lock.release()
    HomeLock(tmp_path).release()


def test_a_port_in_use_is_said_at_once() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"127.0.0.1:{port}.*--port") as refused:
            listen("127.0.0.1", port)
    assert refused.value.code == "port_in_use"


@pytest.mark.usefixtures("no_signals")
def test_a_child_serves_the_socket_that_it_inherits(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as listener:
        answer = (
            "import socket,sys; s=socket.socket(fileno=int(sys.argv[1])); c,_=s.accept(); c.sendall(b'hi'); c.close()"
        )
        fd = listener.fileno()
        child = Child("api", [sys.executable, "-c", answer, str(fd)], log=tmp_path / "log", pass_fds=[fd])
        import socket

        with socket.create_connection(listener.getsockname(), timeout=5) as connection:
            assert connection.recv(2) == b"hi"
        child.terminate()
