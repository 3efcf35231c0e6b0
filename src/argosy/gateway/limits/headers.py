"""OpenAI's headers about limits."""

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
    """As OpenAI writes them: ``850ms``, ``7.25s``, ``1m2s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s"
