"""The data plane: one chat or text completion from the caller to an engine and back, measured exactly once.

`parse` reads the few fields that matter and leaves the rest of the body as it came; `Gateway` tells the story:
admission, routing, relay, and the outcome that is billed.
"""

from argosy.gateway.completion import Gateway
from argosy.gateway.plan import Served
from argosy.gateway.reading import parse
from argosy.gateway.relay import Deadlines
from argosy.gateway.requests import Kind, Request
from argosy.gateway.routing import Offer, RouteTable

__all__ = ["Deadlines", "Gateway", "Kind", "Offer", "Request", "RouteTable", "Served", "parse"]
