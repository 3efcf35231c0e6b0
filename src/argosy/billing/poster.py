"""Posting in a process of its own, so that it never keeps the event loop waiting.

In a thread of the API process it holds the interpreter's lock for milliseconds at a time, and every request that is
under way then stands still: that was most of the gateway's added time at the 99th percentile. The process has nothing
of its own to lose: what is not answered stays in the journal, is sent again, and is posted once by its id.

Invariants: the process ends with the one that started it, however that ends; one that went away is started again.
"""

import os
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from argosy.billing.frames import decode, encode
from argosy.billing.posting import post_events
from argosy.billing.usage import UsageEvent
from argosy.core import Unavailable
from argosy.runtime import Database
from argosy.runtime.processes import Child

_LENGTH = struct.Struct(">I")
_URL = "ARGOSY_POSTER_DATABASE_URL"
_NICE = 19
"""Requests come first, always; see `Shipper` for a core that is all busy with them."""


class _Done(msgspec.Struct, array_like=True):
    """What became of one batch."""

    new: int = 0
    error: str = ""


_DONE = msgspec.msgpack.Decoder(_Done)


class Poster:
    """The process, as seen by the one that started it. `post` is for one thread, `stop` for any."""

    def __init__(self, database_url: str, rejected: Path, log: Path, answer_s: float = 120.0, holder: str = "") -> None:
        """Start it at once. ``rejected`` is the folder for what can never be posted; one batch may take ``answer_s``
        before another process is given it; ``holder`` is as `record` takes it. Raises OSError.
        """
        self._url, self._rejected, self._log, self._answer_s = database_url, rejected, log, answer_s
        self._holder = holder
        self._stopped = False
        self._start()

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._child.pid

    def post(self, events: Sequence[UsageEvent]) -> int:
        """Have `post_events` done there; returns how many were new. Raises Unavailable: trying again is safe."""
        try:
            if not self._child.alive and not self._stopped:
                self._socket.close()
                self._start()
            _send(self._socket, b"".join(map(encode, events)))
            done = _DONE.decode(_receive(self._socket))
        except (OSError, EOFError) as error:
            self._child.terminate(0.1)
            raise Unavailable(f"The process that posts usage went away: {error}", code="poster_gone") from error
        if done.error:
            raise Unavailable(done.error, code="usage_not_posted")
        return done.new

    def stop(self) -> None:
        """End it."""
        self._stopped = True
        self._socket.close()
        self._child.terminate(1.0)

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(self._answer_s)
        with theirs:
            told = [str(theirs.fileno()), str(self._rejected), self._holder]
            command = [sys.executable, "-P", "-m", "argosy.billing.poster", *told]
            self._child = Child(
                "poster",
                command,
                log=self._log,
                environment={_URL: self._url},  # not an argument: others could read a password in it
                pass_fds=[theirs.fileno()],
            )


def _send(to: socket.socket, data: bytes) -> None:
    to.sendall(_LENGTH.pack(len(data)) + data)


def _receive(source: socket.socket) -> bytes:
    """One message. Raises EOFError if the other side is gone."""
    return _exactly(source, _LENGTH.unpack(_exactly(source, _LENGTH.size))[0])


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            raise EOFError("its connection is closed")
        data += piece
    return bytes(data)


def main(descriptor: int, rejected: Path, holder: str) -> None:
    """Post what comes until nobody is there any more."""
    os.nice(_NICE)
    source, database = socket.socket(fileno=descriptor), Database(os.environ.pop(_URL))
    while True:
        try:
            events = [event for event in decode(_receive(source)).records if isinstance(event, UsageEvent)]
        except (OSError, EOFError):
            return
        done = _Done()
        try:
            done.new = post_events(database, events, rejected, holder)
        except Exception as error:  # the database is out of reach: its owner tells, and tries again
            done.error = f"{type(error).__name__}: {error}"
        _send(source, msgspec.msgpack.encode(done))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
