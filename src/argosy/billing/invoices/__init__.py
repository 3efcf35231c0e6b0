"""Periods of an organization closed into invoices that never change; their payments, credit notes and documents."""

from argosy.billing.invoices.closing import close
from argosy.billing.invoices.page import render_page
from argosy.billing.invoices.printing import print_pdf
from argosy.billing.invoices.profiles import LANGUAGES, Profile, profile_of, put_profile
from argosy.billing.invoices.reading import get_invoice, list_invoices
from argosy.billing.invoices.records import CORRECTED, Invoice, InvoiceLine, Party, ProjectShare
from argosy.billing.invoices.settlement import CreditedLine, CreditNote, Payment, Standing, credit, pay, standing_of
from argosy.billing.invoices.sheet import render_sheet

__all__ = [
    "CORRECTED",
    "LANGUAGES",
    "CreditNote",
    "CreditedLine",
    "Invoice",
    "InvoiceLine",
    "Party",
    "Payment",
    "Profile",
    "ProjectShare",
    "Standing",
    "close",
    "credit",
    "get_invoice",
    "list_invoices",
    "pay",
    "print_pdf",
    "profile_of",
    "put_profile",
    "render_page",
    "render_sheet",
    "standing_of",
]
