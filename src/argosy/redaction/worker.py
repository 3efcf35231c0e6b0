"""The process that redacts: ``python -m argosy.redaction.worker FD`` answers on a socket until that is closed.

A regular expression that goes astray would hold the whole interpreter, so it does not run where requests are served.
Here a timer of processor time ends it: the ``re`` module looks at signals while it searches.
"""

import signal
import socket
import struct
import sys
import types

import msgspec

from argosy.redaction.document import Pattern, Rules, compiled, redact

CPU_S = 1.0
"""Processor time that one document may take."""
_PROBE_CPU_S = 0.5
_PROBE_LENGTH = 3000
_ALWAYS_PROBED = "a0 x-"
FRAME = struct.Struct(">I")
"""Before each message: its length in bytes."""


class Redact(msgspec.Struct, tag=True, frozen=True):
    """Asks for a document without what the rules find."""

    rules: Rules
    document: bytes
    """JSON."""


class Check(msgspec.Struct, tag=True, frozen=True):
    """Asks whether a pattern can be used."""

    pattern: Pattern


class Answer(msgspec.Struct, frozen=True):
    """The document, or why there is none. Of a check nothing but the problem."""

    document: bytes = b""
    problem: str = ""
    too_slow: bool = False


class _TooSlow(Exception):
    pass


def main(fd: int) -> None:
    """Answer one message after another."""
    signal.signal(signal.SIGVTALRM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    decoder = msgspec.msgpack.Decoder(Redact | Check)
    with socket.socket(fileno=fd) as connection:
        while (message := receive(connection)) is not None:
            answer = _answered(decoder.decode(message))
            connection.sendall(framed(msgspec.msgpack.encode(answer)))


def framed(message: bytes) -> bytes:
    """A message as it goes over the socket."""
    return FRAME.pack(len(message)) + message


def receive(connection: socket.socket) -> bytes | None:
    """The next message; None when the other side is gone. Raises OSError, TimeoutError among them."""
    head = _exactly(connection, FRAME.size)
    return None if head is None else _exactly(connection, FRAME.unpack(head)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < size:
        piece = connection.recv(min(size - len(pieces), 1 << 20))
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)


def _answered(asked: Redact | Check) -> Answer:
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _PROBE_CPU_S if isinstance(asked, Check) else CPU_S)
        try:
            if isinstance(asked, Check):
                _probe(asked.pattern)
                return Answer()
            return Answer(msgspec.json.encode(redact(msgspec.json.decode(asked.document), asked.rules)))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooSlow:
        return Answer(problem="it takes too long on ordinary text: a repeat stands within another one", too_slow=True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, msgspec.MsgspecError) as error:
        return Answer(problem=str(error) or type(error).__name__)


def _probe(pattern: Pattern) -> None:
    """Try an expression on texts that lead those astray which can be: long runs of what it speaks of, and no match.

    It finds what was written without care. What gets past it is ended when it runs.
    """
    expression = compiled(pattern)
    for character in sorted({*_ALWAYS_PROBED, *pattern.pattern}):
        text = character * _PROBE_LENGTH + "\n\x00"
        for _ in expression.finditer(text):
            pass


def _end(number: int, frame: types.FrameType | None) -> None:
    raise _TooSlow


if __name__ == "__main__":
    main(int(sys.argv[1]))
