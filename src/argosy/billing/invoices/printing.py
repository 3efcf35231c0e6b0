"""Has an invoice drawn as PDF, by a process of its own that ends with it."""

import subprocess
import sys

import msgspec

from argosy.billing.invoices.records import Invoice
from argosy.core import Internal

_PATIENCE_S = 120


def print_pdf(invoice: Invoice, language: str) -> bytes:
    """The PDF's bytes; takes two seconds. ``language`` is one of `LANGUAGES`. Raises Internal if it cannot be drawn."""
    order = msgspec.json.encode({"invoice": invoice, "language": language})
    command = [sys.executable, "-m", "argosy.billing.invoices.pdf"]
    try:
        done = subprocess.run(command, input=order, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise Internal("The PDF took too long to draw. The CSV has the same lines.", code="pdf_failed") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Internal(
            f"The PDF could not be drawn: {why}. If a module is missing, 'pip install fpdf2 noto-cjk-sans-otc' brings it; "
            "the page and the CSV need neither.",
            code="pdf_failed",
        )
    return done.stdout
