"""Identifiers: OpenAI's prefixes, then a part that sorts by creation, then randomness."""

import secrets
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10  # 50 bits of milliseconds: enough until the year 37000
_RANDOM_BITS = 60
_STEP_BITS = 48  # ids of one millisecond lie this far apart at most: thousands of them before one more millisecond

_lock = threading.Lock()
_latest = 0


def new_id(prefix: str) -> str:
    """A new id such as ``ftjob-01k9x...``: the ids that a process makes sort in the order it made them.

    Between processes they sort by the millisecond. Lists are ordered by them, so two of one millisecond must not
    change places: the later one is a random step above the earlier, as in a monotonic ULID, and a clock that is set
    back does not go back here. The prefix carries its own separator (``"file-"``, ``"eval_"``), as OpenAI's ids do not
    agree on one.
    """
    global _latest
    fresh = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    with _lock:
        if fresh >> _RANDOM_BITS <= _latest >> _RANDOM_BITS:
            fresh = _latest + 1 + secrets.randbits(_STEP_BITS)
        _latest = fresh
    return prefix + _base32(fresh, _TIME_DIGITS + _RANDOM_BITS // 5)


def _base32(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 32)
        text = _ALPHABET[digit] + text
    return text
