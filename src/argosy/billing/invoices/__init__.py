"""Periods of a project closed into invoices that never change, as records and as pages to print."""

from argosy.billing.invoices.closing import Invoice, InvoiceLine, close, get_invoice, list_invoices
from argosy.billing.invoices.page import render_page

__all__ = ["Invoice", "InvoiceLine", "close", "get_invoice", "list_invoices", "render_page"]
