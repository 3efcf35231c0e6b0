"""The books held against each other, hour by hour, and against what engines and providers counted.

Usage rows, ledger and pinned prices must agree to the micro-unit. What differs is published, with the rows and what may
have caused it.
"""

from argosy.billing.reconciliation.chore import Reconciliation
from argosy.billing.reconciliation.engines import EngineCount, EngineHour, engine_hours, note_engine_counts
from argosy.billing.reconciliation.hours import HOUR, Reconciled, compare, publish, published, reconcile
from argosy.billing.reconciliation.provider_csv import BYTES_MAX, FIELDS
from argosy.billing.reconciliation.providers import (
    ProviderDay,
    ProviderInvoice,
    import_provider_invoice,
    provider_days,
)
from argosy.billing.reconciliation.store import sum_of_differences

__all__ = [
    "BYTES_MAX",
    "FIELDS",
    "HOUR",
    "EngineCount",
    "EngineHour",
    "ProviderDay",
    "ProviderInvoice",
    "Reconciled",
    "Reconciliation",
    "compare",
    "engine_hours",
    "import_provider_invoice",
    "note_engine_counts",
    "provider_days",
    "publish",
    "published",
    "reconcile",
    "sum_of_differences",
]
