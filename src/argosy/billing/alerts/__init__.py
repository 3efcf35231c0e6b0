"""Alerts: a budget or what was paid ahead is used up to a threshold."""

from argosy.billing.alerts.level import DEFAULT_THRESHOLDS
from argosy.billing.alerts.noticing import notice
from argosy.billing.alerts.store import Alert, list_alerts

__all__ = ["DEFAULT_THRESHOLDS", "Alert", "list_alerts", "notice"]
