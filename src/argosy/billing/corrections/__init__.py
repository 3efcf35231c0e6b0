"""Taking back what was posted, in whole or in part: by new entries, since those that are there never change."""

from argosy.billing.corrections.correcting import correct
from argosy.billing.corrections.correction import Correction
from argosy.billing.corrections.store import list_corrections

__all__ = ["Correction", "correct", "list_corrections"]
