"""Has an invoice drawn as PDF, by a process of its own that ends with it."""

import subprocess
import sys
from threading import BoundedSemaphore

import msgspec

from argosy.billing.invoices.records import Invoice
from argosy.billing.invoices.settlement.records import CreditNote
from argosy.core import Internal, Unavailable

_PATIENCE_S = 120
_AT_ONCE = BoundedSemaphore(2)
"""Each that is drawn takes 130 MB and a core."""


def print_pdf(invoice: Invoice, language: str, note: CreditNote | None = None) -> bytes:
    """The PDF's bytes, of the invoice or of a credit note of it; takes two seconds. ``language`` is one of `LANGUAGES`.

    Raises Unavailable if too many are being drawn, Internal if it cannot be.
    """
    order = msgspec.json.encode({"invoice": invoice, "language": language, "note": note})
    if not _AT_ONCE.acquire(timeout=_PATIENCE_S / 4):
        raise Unavailable("Many PDFs are being drawn. Ask again soon.", code="busy_drawing", retry_after_s=10)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "argosy.billing.invoices.pdf"],
            input=order,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Internal("The PDF took too long to draw. The CSV has the same lines.", code="pdf_failed") from None
    finally:
        _AT_ONCE.release()
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Internal(
            f"The PDF could not be drawn: {why}. The page and the CSV have the same lines.", code="pdf_failed"
        )
    return done.stdout
