"""Ids, money, clock, errors and settings: what every floor stands on. No I/O, and imports nothing else of ours."""

from argosy.core.clock import SteadyClock, now, now_us
from argosy.core.errors import (
    ArgosyError,
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    OutOfSpace,
    OverBudget,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unpaid,
    UpstreamFailed,
)
from argosy.core.ids import new_id
from argosy.core.money import (
    PERCENT,
    charge,
    format_due,
    format_money,
    minor_unit,
    parse_money,
    round_to_minor,
)
from argosy.core.settings import Settings

__all__ = [
    "PERCENT",
    "ArgosyError",
    "Conflict",
    "Forbidden",
    "Internal",
    "Invalid",
    "NotFound",
    "OutOfSpace",
    "OverBudget",
    "RateLimited",
    "Settings",
    "SteadyClock",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unpaid",
    "UpstreamFailed",
    "charge",
    "format_due",
    "format_money",
    "minor_unit",
    "new_id",
    "now",
    "now_us",
    "parse_money",
    "round_to_minor",
]
