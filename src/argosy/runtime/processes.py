"""Child processes that never outlive their parent, and the facts by which a process is recognised again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LIFELINE = Path(__file__).with_name("lifeline.py")
_LOG_BYTES_MAX = 10_000_000

# The kernel's death signal fires when the *thread* that started a child ends, so one thread that lives as long as this
# process starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starts-children")


class Child:
    """One child process in a process group of its own, with a log file. It is killed when this process ends, however.

    Not shared between threads, except that `alive` and `terminate` may be called from any.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start ``command`` at once, with ``environment`` added to this process's own. Raises OSError."""
        self.name, self.log = name, log
        self.started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        _shorten(log)
        with open(log, "ab") as output:
            self._process = _starter.submit(
                subprocess.Popen,
                [sys.executable, "-I", "-S", str(_LIFELINE), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                pass_fds=pass_fds,
                process_group=0,
            ).result()
        self.pid: int = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative numbers are signals."""
        return self._process.poll()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None

    def signal(self, number: int) -> None:
        """Send a signal to the whole group of the child; nothing happens if it has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs after ``timeout_s``."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self, grace_s: float = 3.0) -> None:
        """Ask it to end, and kill its group after ``grace_s``. Returns when it is gone."""
        self.signal(signal.SIGTERM)
        if not self.wait(grace_s):
            self.signal(signal.SIGKILL)
            self._process.wait()

    def last_words(self, characters: int = 600) -> str:
        """The end of its log: what a person needs to see when it failed."""
        return last_words(self.log, characters)


def terminate_all(children: Sequence[Child], grace_s: float = 3.0) -> None:
    """End several children side by side: together they take one grace period, not one each."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    for child in children:
        if not child.wait(max(0.0, deadline - time.monotonic())):
            child.terminate(0)


def last_words(log: Path, characters: int = 600) -> str:
    """The last ``characters`` of a log file, empty if there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 4 * characters))
            return file.read().decode(errors="replace").strip()[-characters:]
    except OSError:
        return ""


def birth(pid: int) -> int | None:
    """When process ``pid`` was born, in clock ticks since the machine started; None if there is no such process.

    Ids of processes are used again, but never with the same birth: the two together name one process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def kill_stray(pid: int, born: int) -> None:
    """Kill the group of a process that an earlier parent left behind, if it is still that very process."""
    if birth(pid) == born:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _shorten(log: Path) -> None:
    """Set a long log aside as ``.1``, so that logs never fill the disk."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_BYTES_MAX:
            os.replace(log, log.with_name(log.name + ".1"))
