"""What was sold of a deployment's tokens and what it can do, and the line of limits that wait until there is more.

`sales` says what counts as sold, `supply` what there is, `waitlist` who gets it and when.
"""

from argosy.gateway.capacity.granting import Granting
from argosy.gateway.capacity.sales import InLine, Sales
from argosy.gateway.capacity.store import State, Switch, Waiting, list_waiting
from argosy.gateway.capacity.supply import Supply
from argosy.gateway.capacity.waitlist import (
    ask_for_limit,
    drop_limit,
    grant_anyway,
    line,
    market,
    set_switch,
    withdraw,
)

__all__ = [
    "Granting",
    "InLine",
    "Sales",
    "State",
    "Supply",
    "Switch",
    "Waiting",
    "ask_for_limit",
    "drop_limit",
    "grant_anyway",
    "line",
    "list_waiting",
    "market",
    "set_switch",
    "withdraw",
]
