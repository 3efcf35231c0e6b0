"""A platform of one's own: started as a child process, waited for, stopped without a trace."""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openai import APIError, AsyncOpenAI, OpenAI

STARTER = "smollm2-135m-instruct"
START_PATIENCE_S = 300.0
STOP_PATIENCE_S = 5.0
MARK = ".argosy-demo"
_PR_SET_PDEATHSIG = 1


class PlatformFailed(Exception):
    """The platform did not start; the message says why and where its log is."""


class OwnPlatform:
    """``argosy up`` in ``home``, as a context manager: ready inside, and gone after, however the inside ends."""

    def __init__(self, home: Path) -> None:
        self.home, self.log = home.absolute(), home.absolute() / "demo-platform.log"
        self.key = "sk-argosy-" + secrets.token_urlsafe(32)
        self.url = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._client: OpenAI | None = None

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        # What a user's shell points elsewhere must not reach the demonstration's own state.
        environment = {name: value for name, value in os.environ.items() if name != "ARGOSY_DATABASE_URL"}
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                _command(self.home),
                env=environment | {"ARGOSY_ADMIN_KEY": self.key},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # A Ctrl-C in the terminal reaches the story, which then stops the platform.
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def client(self) -> OpenAI:
        """A client for single calls, always the same. No silent retries: each request is on the bill exactly once.

        A client that is thrown away closes itself in ``__del__``, and a Ctrl-C that arrives there is lost for good.
        """
        if self._client is None:
            self._client = OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=120)
        return self._client

    def async_client(self) -> AsyncOpenAI:
        """A client for many calls at once."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=120)

    def wait(self, show: Callable[[str], None]) -> None:
        """Return when the API is up and the starter model answers; ``show`` hears each state. Raises PlatformFailed."""
        deadline = time.monotonic() + START_PATIENCE_S
        show("starting")
        while not self._ready_file.exists():
            self._pause(deadline)
        while True:
            state = self._state()
            show(state)
            if state == "ready":
                return
            self._pause(deadline)

    def stop(self) -> None:
        """SIGTERM, five seconds, then SIGKILL to the whole process group. Harmless when it is gone already."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_PATIENCE_S)
        finally:
            # Whoever is left in the group; usually there is nobody.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    @property
    def _ready_file(self) -> Path:
        return self.home / "up.json"

    def _state(self) -> str:
        """State of the starter's deployment in a few words; "ready" is the end. Raises PlatformFailed on "failed"."""
        if not self.url:
            self.url = str(json.loads(self._ready_file.read_text())["url"]).rstrip("/")
        try:
            client = self.client()
            client.get(f"{self.url}/readyz", cast_to=object)
            listed: Any = client.get("/deployments", cast_to=object)
        except APIError:
            return "starting"
        found = next((one for one in listed["data"] if one["model"] == STARTER), None)
        if found is None:
            return "waiting for the deployment"
        if found["state"] == "failed":
            raise PlatformFailed(f"{STARTER} could not be served: {found.get('error')}. Its log is {self.log}")
        return _words(found)

    def _pause(self, deadline: float) -> None:
        if self._child is None or self._child.poll() is not None:
            raise PlatformFailed(f"the platform ended before it was ready. The end of {self.log}:\n{_tail(self.log)}")
        if time.monotonic() > deadline:
            raise PlatformFailed(f"the platform was not ready after {START_PATIENCE_S:.0f} s. See {self.log}")
        time.sleep(0.2)


def fresh_home(home: Path) -> Path:
    """Empty a home that an earlier demonstration made, but for its models, and mark it. Others' folders stay untouched.

    Raises PlatformFailed when a platform is still running there.
    """
    home.mkdir(parents=True, exist_ok=True)
    if _running(home / "up.json"):
        raise PlatformFailed(f"a platform is running in {home}. Stop it, or give another folder with --home.")
    if not any(home.iterdir()):
        (home / MARK).write_text("Made by 'argosy demo', which empties this folder when it starts again.\n")
    elif (home / MARK).exists():
        for entry in home.iterdir():
            if entry.name in (MARK, "models"):
                continue
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    return home


def _command(home: Path) -> list[str]:
    up = [sys.executable, "-m", "argosy", "up", "--home", str(home), "--port", "0", "--no-console"]
    return [*up, "--deploy", STARTER]


def _running(ready_file: Path) -> bool:
    try:
        os.kill(int(json.loads(ready_file.read_text())["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _words(deployment: dict[str, Any]) -> str:
    detail = deployment.get("detail") or {}
    progress = detail.get("progress") if isinstance(detail, dict) else None
    return f"{deployment['state']}: {progress}" if progress and deployment["state"] != "ready" else deployment["state"]


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _die_with_parent() -> None:
    """Between fork and exec: the kernel ends the platform if the story is killed without a chance to."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
