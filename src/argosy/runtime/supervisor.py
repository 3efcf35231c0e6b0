"""What `argosy up` stands on: one lock per home, the listening socket, and programs that are kept running."""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from argosy.core import Conflict
from argosy.runtime.processes import Child, terminate_all

_BACKOFF_S_MIN, _BACKOFF_S_MAX = 0.2, 10.0
_PROVEN_S = 30.0  # who ran this long starts the next time without waiting
_STOP_GRACE_S = 3.5  # of the five seconds within which everything is gone
_TICK_S = 0.1


class HomeLock:
    """Held while a platform runs on a home. The kernel lets it go when the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        """Take the lock. Raises Conflict naming the process that holds it."""
        home.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = open(home / "argosy.pid", "a+", encoding="ascii")  # noqa: SIM115 (closed by `release`)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise Conflict(
                f"Argosy already runs on {home} (process {holder}). Stop it first, or choose another home with "
                "ARGOSY_HOME.",
                code="home_in_use",
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another platform have the home."""
        self._file.truncate(0)
        self._file.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, made by the supervisor so that connections wait in it while the API restarts.

    Port 0 takes any free one. Hand ``fileno()`` to the API through ``Program.pass_fds``. Raises Conflict (port in use).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"Cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}. Choose another port with "
            "--port or ARGOSY_PORT; 0 takes any free one.",
            code="port_in_use",
        ) from error
    return listener


@dataclass(frozen=True)
class Program:
    """Something to keep running."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    final_codes: Mapping[int, str] = field(default_factory=dict)
    """Exit codes after which starting again is pointless, with what to tell the person."""


class _Kept:
    """One program and its present process, if any."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.child: Child | None = None
        self.wait_s = _BACKOFF_S_MIN
        self.not_before = 0.0

    def start(self) -> None:
        p = self.program
        self.child = Child(p.name, p.command, log=p.log, environment=p.environment, pass_fds=p.pass_fds)


class Supervisor:
    """Keeps programs running until it is told to stop; then all of them are gone within five seconds."""

    def __init__(self, programs: Sequence[Program], tell: Callable[[str], None] = print) -> None:
        """``tell`` gets one line of text for every event that a person should know of."""
        self._kept = [_Kept(program) for program in programs]
        self._tell = tell
        self._stop = threading.Event()
        self._exit_code = 0

    def run(self) -> int:
        """Start all, watch, and return the exit code after `stop`, SIGINT, SIGTERM, or a failure that is final.

        Call it from the main thread: it handles the signals meanwhile.
        """
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._stop.is_set():
                for kept in self._kept:
                    self._watch(kept)
                self._stop.wait(_TICK_S)
        finally:
            terminate_all([kept.child for kept in self._kept if kept.child], _STOP_GRACE_S)
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._exit_code

    def stop(self) -> None:
        """Ask `run` to end, from any thread."""
        self._stop.set()

    def pids(self) -> dict[str, int]:
        """The process ids of the programs that run now, by name."""
        return {kept.program.name: kept.child.pid for kept in self._kept if kept.child and kept.child.alive}

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _watch(self, kept: _Kept) -> None:
        if kept.child is None:
            if time.monotonic() >= kept.not_before:
                kept.start()
            return
        code = kept.child.exit_code
        if code is None:
            return
        child, kept.child = kept.child, None
        if code in kept.program.final_codes:
            self._tell(f"{kept.program.name}: {kept.program.final_codes[code]}")
            self._exit_code = code
            self._stop.set()
            return
        if time.monotonic() - child.started > _PROVEN_S:
            kept.wait_s = _BACKOFF_S_MIN
        kept.not_before = time.monotonic() + kept.wait_s
        self._tell(
            f"{kept.program.name} ended ({_describe(code)}); starting it again in {kept.wait_s:.1f} s. "
            f"Its log is {kept.program.log}"
        )
        kept.wait_s = min(2 * kept.wait_s, _BACKOFF_S_MAX)


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
