"""The redacting process, as the process that needs it sees it: started when first asked, and again if it was lost."""

import contextlib
import socket
import sys
import threading
from pathlib import Path

import msgspec

from argosy.core import Invalid, Unavailable
from argosy.redaction.document import Pattern, Rules
from argosy.redaction.worker import Answer, Check, Redact, framed, receive
from argosy.runtime.processes import Child

_PATIENCE_S = 60.0
"""For an answer, on a machine that is busy with other things; a document's processor time has its own limit."""
_ANSWER = msgspec.msgpack.Decoder(Answer)


class TooSlow(Exception):
    """The rules took too long on this document."""


class Redactor:
    """Threads may share it. Nothing runs until it is asked for the first time."""

    def __init__(self, log: Path) -> None:
        """``log``: where the process writes what it has to say."""
        self._log = log
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._socket: socket.socket | None = None

    def redact(self, document: bytes, rules: Rules) -> bytes:
        """A JSON document without what the rules find. Blocks. Raises TooSlow, ValueError, Unavailable."""
        answer = self._ask(Redact(rules, document))
        if answer.too_slow:
            raise TooSlow
        if answer.problem:
            raise ValueError(answer.problem)
        return answer.document

    def check(self, pattern: Pattern) -> None:
        """Whether a pattern can be used. Blocks. Raises Invalid that says why not, Unavailable."""
        if problem := self._ask(Check(pattern)).problem:
            raise Invalid(
                f"The pattern '{pattern.name[:40]}' cannot be used: {problem}.",
                code="invalid_pattern",
                param="patterns",
            )

    def stop(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, message: Redact | Check) -> Answer:
        written = framed(msgspec.msgpack.encode(message))
        with self._lock:
            try:
                connection = self._connection()
                connection.sendall(written)
                if (said := receive(connection)) is not None:
                    return _ANSWER.decode(said)
                self._end()
            except (OSError, msgspec.MsgspecError):
                self._end()
        raise Unavailable(
            "Personal data cannot be looked for just now, so nothing is kept. Please try again shortly.",
            code="redaction_unavailable",
            retry_after_s=5,
        )

    def _connection(self) -> socket.socket:
        if self._socket is not None and self._child is not None and self._child.alive:
            return self._socket
        self._end()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                command = [sys.executable, "-m", "argosy.redaction.worker", str(theirs.fileno())]
                self._child = Child("redactor", command, log=self._log, pass_fds=[theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        ours.settimeout(_PATIENCE_S)
        self._socket = ours
        return ours

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._child is not None:
            with contextlib.suppress(OSError):
                self._child.terminate(0)
            self._child = None
