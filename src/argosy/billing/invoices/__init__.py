"""Periods of an organization closed into invoices that never change; their payments, credit notes and documents."""

from argosy.billing.invoices.closing import close
from argosy.billing.invoices.page import render_page
from argosy.billing.invoices.profiles import LANGUAGES, Profile, profile_of, put_profile
from argosy.billing.invoices.reading import get_invoice, list_invoices
from argosy.billing.invoices.records import Invoice, InvoiceLine, Party, ProjectShare

__all__ = [
    "LANGUAGES",
    "Invoice",
    "InvoiceLine",
    "Party",
    "Profile",
    "ProjectShare",
    "close",
    "get_invoice",
    "list_invoices",
    "profile_of",
    "put_profile",
    "render_page",
]
