"""Leases: slices of funds in the hands of API processes, so that most requests find their money in memory.

A lease is what a process has *out* of a fund: at hand, held for requests that are under way, and charged but not posted
yet. What is free of a fund is what is allowed, less what is spent, less all that is out. Posting a charge moves it from
out to spent in one step, so that what is free does not move: no moment sees it twice or not at all.
"""

from argosy.billing.funds.leases.store import BEAT_S, TTL_S, Given, Want, beat, end_leases, exchange, forget, standing

__all__ = ["BEAT_S", "TTL_S", "Given", "Want", "beat", "end_leases", "exchange", "forget", "standing"]
