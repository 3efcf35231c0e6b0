"""Rate limits in requests and tokens a minute, for keys, projects and models; right across API processes.

`RateLimits` is asked once for each request; `window` says how it counts, and what bound that keeps.
"""

from argosy.gateway.limits.hold import Hold
from argosy.gateway.limits.limiter import RateLimits
from argosy.gateway.limits.store import Limit, Scope, all_limits, list_limits, put_limit, remove_limit

__all__ = ["Hold", "Limit", "RateLimits", "Scope", "all_limits", "list_limits", "put_limit", "remove_limit"]
