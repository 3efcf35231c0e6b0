"""Identifiers: OpenAI's prefixes, then a part that sorts by creation, then randomness."""

import os
import threading
import time
from array import array
from collections.abc import Iterator

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10  # 50 bits of milliseconds: enough until the year 37000
_RANDOM_BITS = 60
_STEP_BITS = 48  # ids of one millisecond lie this far apart at most: thousands of them before one more millisecond
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Two digits at a time: an id is made for every request."""
_TIME_SHIFTS = range(_TIME_DIGITS * 5 - 10, -1, -10)

_DRAWN_BYTES = 4096
_lock = threading.Lock()
_latest = 0
_told: tuple[int, str] = (0, "")
"""The latest millisecond, and how it is written."""
_drawn: Iterator[int] = iter(())
"""Random numbers of 64 bits that the system gave in one go: one call of it for each id would cost more than the id."""


def new_id(prefix: str) -> str:
    """A new id such as ``ftjob-01k9x...``: the ids that a process makes sort in the order it made them.

    Between processes they sort by the millisecond. Lists are ordered by them, so two of one millisecond must not
    change places: the later one is a random step above the earlier, as in a monotonic ULID, and a clock that is set
    back does not go back here. The prefix carries its own separator (``"file-"``, ``"eval_"``), as OpenAI's ids do not
    agree on one.
    """
    global _latest, _told
    with _lock:
        random = next(_drawn, None) or _draw()
        fresh = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | random >> 64 - _RANDOM_BITS
        if fresh >> _RANDOM_BITS <= _latest >> _RANDOM_BITS:
            fresh = _latest + 1 + (random >> 64 - _STEP_BITS)
        _latest = fresh
        at, written = _told
        if at != (at_ms := fresh >> _RANDOM_BITS):
            written = "".join([_PAIRS[at_ms >> shift & 1023] for shift in _TIME_SHIFTS])
            _told = at_ms, written
    two = _PAIRS
    return (
        f"{prefix}{written}{two[fresh >> 50 & 1023]}{two[fresh >> 40 & 1023]}{two[fresh >> 30 & 1023]}"
        f"{two[fresh >> 20 & 1023]}{two[fresh >> 10 & 1023]}{two[fresh & 1023]}"
    )


def _draw() -> int:
    """64 random bits, and more for the next ones. Under the lock."""
    global _drawn
    _drawn = iter(array("Q", os.urandom(_DRAWN_BYTES)))
    return next(_drawn)


def _forget_drawn() -> None:
    """In a child process: it must not go on with what its parent drew, or both would make the same ids."""
    global _drawn
    _drawn = iter(())


os.register_at_fork(after_in_child=_forget_drawn)
