"""Starting twice, on a port in use, on a full disk: one clear sentence, and no process left over."""

import os
import socket
import subprocess
import sys

from tests.flows.platform import KEY


def argosy(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "argosy", *words],
        env={**os.environ, "ARGOSY_ADMIN_KEY": KEY, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_port_in_use_is_named_with_what_to_do(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = argosy("up", "--home", str(tmp_path / "home"), "--port", port, "--no-console")
    assert run.returncode == 1
    assert port in run.stderr
    assert "--port" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_second_platform_on_the_same_home_is_refused(platform):
    run = argosy("up", "--home", str(platform.home), "--port", "0", "--no-console")
    assert run.returncode == 1
    assert str(platform.process.pid) in run.stderr


def test_doctor_says_what_it_looked_at(tmp_path):
    run = argosy("doctor", "--home", str(tmp_path / "home"), "--port", "0")
    assert run.returncode == 0, run.stdout
    for word in ("Python", "torch", "disk", "database", "port"):
        assert word in run.stdout


def test_a_command_without_a_platform_says_how_to_start_one(tmp_path):
    run = argosy("deployments", ARGOSY_HOME=str(tmp_path), ARGOSY_PORT="1")
    assert run.returncode == 1
    assert "argosy up" in run.stderr


def test_a_command_without_a_key_says_where_keys_come_from(tmp_path):
    run = argosy("models", ARGOSY_HOME=str(tmp_path), ARGOSY_ADMIN_KEY="", ARGOSY_API_KEY="")
    assert run.returncode == 1
    assert "ARGOSY_API_KEY" in run.stderr
