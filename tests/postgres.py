"""A PostgreSQL server of one's own, on a socket in a folder of its own: started, stopped, killed, started again."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

_PR_SET_PDEATHSIG = 1
_QUICK = ("fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=50")
"""What only a power cut would punish."""


class PostgresServer:
    """The server whose data lie in ``folder``, which is its socket's too. `start` it."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        """``settings`` are ``name=value``. Raises FileNotFoundError where PostgreSQL is not installed."""
        found = programs()
        if found is None:
            raise FileNotFoundError("PostgreSQL is not installed here: 'apt-get install postgresql'")
        self.folder, self._settings, self._programs = folder, (*_QUICK, *settings), found
        self._data, self._log = folder / "data", folder / "log"
        user = _user()
        self._account: dict[str, Any] = {}
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
            self._account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        initdb = [found / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-N"]
        subprocess.run(
            [*initdb, "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **self._account
        )  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection that commits each statement. Raises psycopg.OperationalError while it is down."""
        return psycopg.connect(self.url(), autocommit=True)

    def start(self, timeout_s: float = 30) -> None:
        """Start it, and wait until it answers. Raises RuntimeError with its log."""
        deadline = time.monotonic() + timeout_s
        options = [word for setting in self._settings for word in ("-c", setting)]
        while True:
            if self.process is None or self.process.poll() is not None:
                # One that was killed leaves children who need a moment to notice, and keep its memory until then.
                with self._log.open("ab") as log:
                    self.process = subprocess.Popen(
                        [self._programs / "postgres", "-D", self._data, "-k", self.folder, *options],
                        stdout=log,
                        stderr=log,
                        cwd=self.folder,
                        preexec_fn=_die_with_parent,
                        **self._account,
                    )
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self._log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, cutting whoever is connected."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def kill(self) -> None:
        """``kill -9`` of the server's first process. Its children end by themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, None where it is not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then as whom. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
