"""Usage, costs and margins over time, and event by event: what the usage pages show."""

from argosy.billing.reports.buckets import Bucket, Question, Totals, report
from argosy.billing.reports.events import EventFilter, EventLine, get_event, list_events
from argosy.billing.reports.margin import Margin, margins

__all__ = [
    "Bucket",
    "EventFilter",
    "EventLine",
    "Margin",
    "Question",
    "Totals",
    "get_event",
    "list_events",
    "margins",
    "report",
]
