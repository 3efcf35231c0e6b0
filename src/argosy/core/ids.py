"""Identifiers: OpenAI's prefixes, then a part that sorts by creation time, then randomness."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10  # 50 bits of milliseconds: enough until the year 37000
_RANDOM_DIGITS = 12  # 60 bits


def new_id(prefix: str) -> str:
    """A new id such as ``ftjob-01k9x...``: ids with one prefix sort by the millisecond they were made in.

    The prefix carries its own separator (``"file-"``, ``"eval_"``), as OpenAI's ids do not agree on one.
    """
    return prefix + _base32(time.time_ns() // 1_000_000, _TIME_DIGITS) + _base32(secrets.randbits(60), _RANDOM_DIGITS)


def _base32(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 32)
        text = _ALPHABET[digit] + text
    return text
