"""OpenAI's headers about limits."""

import math
from collections.abc import Sequence

from argosy.gateway.limits.share import Share
from argosy.gateway.limits.store import UNITS


def of(shares: Sequence[Share], now: float) -> dict[str, str]:
    """For each unit that is limited, the limit with the least left of it."""
    found = {}
    for unit in UNITS:
        mine = [share for share in shares if share.key.unit == unit]
        if mine:
            remaining, _, share = min((each.remaining(now), number, each) for number, each in enumerate(mine))
            found[f"x-ratelimit-limit-{unit}"] = str(share.window.allowed)
            found[f"x-ratelimit-remaining-{unit}"] = str(remaining)
            found[f"x-ratelimit-reset-{unit}"] = duration(share.resets_s(now))
    return found


def duration(seconds: float) -> str:
    """As OpenAI writes them: ``850ms``, ``7.25s``, ``1m2s``. Never less than it is."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{math.ceil(seconds * 100) / 100:g}s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s"
