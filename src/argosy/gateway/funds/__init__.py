"""Holds: before a request is given to anybody, money for its worst case is set aside; what it does not use comes back.

The worst case is a bound, so a hard budget is never overdrawn; holds are in memory, out of leases that a process has of
each fund (`argosy.billing.funds.leases`), so that most requests wait for nothing. Where what is left may still come
back from requests under way, a request waits for them rather than be refused money that is there.
"""

from argosy.gateway.funds.hold import Hold
from argosy.gateway.funds.purses import Purses

__all__ = ["Hold", "Purses"]
