"""Usage and costs over time, and event by event: what the usage pages show."""

from argosy.billing.reports.buckets import Bucket, Question, Totals, report
from argosy.billing.reports.events import EventFilter, EventLine, get_event, list_events

__all__ = ["Bucket", "EventFilter", "EventLine", "Question", "Totals", "get_event", "list_events", "report"]
