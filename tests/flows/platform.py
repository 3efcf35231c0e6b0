"""A whole platform in a home of its own, started as a user starts it and reached as a client reaches it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from openai import OpenAI

KEY = "sk-argosy-test-of-the-flows-0123456789"
STARTER = "smollm2-135m-instruct"


class RunningPlatform:
    """`argosy up` as a child process. `stop` is Ctrl-C; `kill` takes one of its processes away without a word."""

    def __init__(self, home: Path, *models: str, environment: Mapping[str, str] | None = None) -> None:
        self.home, self.models, self.environment = home, models, environment or {}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "argosy", "up", "--home", str(self.home), "--port", "0", "--no-console"]
        for model in self.models:
            command += ["--deploy", model]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "ARGOSY_ADMIN_KEY": KEY, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.url = until(lambda: self._address(), 60, "the platform did not say where it is")
        self.client = OpenAI(api_key=KEY, base_url=f"{self.url}/v1", max_retries=0, timeout=60)
        until(self._ready, 60, "the platform did not get ready")

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took until the last process was gone."""
        everyone = self.everyone()
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        until(lambda: not any(alive(process) for process in everyone), 30, "processes were left over")
        return time.monotonic() - began

    def everyone(self) -> list[psutil.Process]:
        """All processes of the platform, the supervisor first."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def find(self, *words: str) -> psutil.Process | None:
        """The process whose command line has all the words."""
        for process in self.everyone()[1:]:
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                return process
        return None

    def kill(self, *words: str) -> None:
        """``kill -9`` one process, chosen by the words of its command line."""
        process = until(lambda: self.find(*words), 30, f"there is no process {words}")
        process.kill()
        process.wait(10)

    def wait_for_model(self, model: str = STARTER, timeout_s: float = 120) -> None:
        until(lambda: model in [m.id for m in self.client.models.list().data], timeout_s, f"{model} does not answer")

    def get(self, path: str) -> Any:
        return self.client.get(path, cast_to=object)

    def usage_rows(self) -> list[dict[str, Any]]:
        return self.get("/usage/events?limit=1000")["data"]

    def _address(self) -> str | None:
        assert self.process.poll() is None, self.process.stdout.read()
        try:
            written = json.loads((self.home / "up.json").read_text())
            return written["url"] if written["pid"] == self.process.pid else None
        except (OSError, ValueError):
            return None

    def _ready(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def until(look: Callable[[], Any], timeout_s: float, otherwise: str) -> Any:
    """Look again and again until there is something true. Raises AssertionError with ``otherwise``."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{otherwise} within {timeout_s} s")


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
