"""An invoice as PDF, in English or Chinese, with the fonts it needs inside.

Runs as a process of its own (see `printing`): reading a font with all Chinese characters takes a second and 130 MB,
which is not for a process that answers requests. Reads an invoice as JSON, writes a PDF.
"""

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import noto_cjk_sans_otc
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace

from argosy.billing.invoices.page import party_text, sum_rows
from argosy.billing.invoices.records import Invoice
from argosy.billing.invoices.words import WORDS, price_text, time_text
from argosy.core import format_money

_FONT = "noto"
_SIMPLIFIED_CHINESE = 2
"""The number of the font in the collection: Japanese and Korean come before it."""
_GREY = (110, 110, 110)
_WIDTHS = (30, 46, 27, 25, 30, 32)
_ALIGN = ("LEFT", "LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT")


class Paper(FPDF):
    """A4 pages with the invoice's number and the page's at the foot."""

    def __init__(self, invoice: Invoice, words: dict[str, str]) -> None:
        super().__init__(format="A4")
        self.words, self.title_text = words, f"{words['title']} {invoice.number:06d}"
        self.set_title(self.title_text)
        self.set_margins(10, 14)
        self.set_auto_page_break(True, 18)
        self.add_font(_FONT, fname=noto_cjk_sans_otc.FONT_PATH, collection_font_number=_SIMPLIFIED_CHINESE)
        self.set_font(_FONT, size=9)
        self.alias_nb_pages("{pages}")
        self.add_page()

    def footer(self) -> None:
        """On each page."""
        self.set_y(-13)
        self.set_font(_FONT, size=7.5)
        self.set_text_color(*_GREY)
        self.cell(95, 5, self.title_text)
        self.cell(95, 5, self.words["page"].replace("{page}", str(self.page_no())), align="R")
        self.set_text_color(0)


def draw(invoice: Invoice, language: str) -> bytes:
    """The document's bytes."""
    words = WORDS[language]
    paper = Paper(invoice, words)
    paper.set_creation_date(datetime.fromtimestamp(invoice.created_at, UTC))
    paper.set_font(_FONT, size=22)
    paper.cell(0, 12, words["title"], new_x="LMARGIN", new_y="NEXT")
    _parties(paper, invoice)
    _facts(paper, invoice)
    _lines(paper, invoice)
    _sums(paper, invoice)
    _small(paper, words["note"].format(count=f"{invoice.event_count:,}"))
    if invoice.anchor:
        _small(paper, f"{words['anchor']}: {invoice.anchor}")
        _small(paper, words["anchor_note"].format(block=invoice.anchor_block))
    return bytes(paper.output())


def _parties(paper: Paper, invoice: Invoice) -> None:
    """Who issues it on the left, who pays on the right."""
    top = lowest = paper.get_y() + 3
    for left, name, party in ((10, "issuer", invoice.issuer), (108, "customer", invoice.customer)):
        paper.set_xy(left, top)
        _label(paper, paper.words[name])
        paper.set_x(left)
        paper.set_font(_FONT, size=10)
        paper.multi_cell(90, 5, party_text(party, paper.words) or "–", align="L")
        lowest = max(lowest, paper.get_y())
    paper.set_xy(10, lowest + 4)


def _facts(paper: Paper, invoice: Invoice) -> None:
    facts = (
        ("number", f"{invoice.number:06d}  ({invoice.id})"),
        ("period", f"{time_text(invoice.period_start)} – {time_text(invoice.period_end)}"),
        ("issued", time_text(invoice.created_at)),
        ("currency", invoice.currency),
    )
    for name, text in facts:
        paper.set_font(_FONT, size=9)
        paper.set_text_color(*_GREY)
        paper.cell(32, 5, paper.words[name])
        paper.set_text_color(0)
        paper.cell(0, 5, text, new_x="LMARGIN", new_y="NEXT")
    paper.ln(5)


def _lines(paper: Paper, invoice: Invoice) -> None:
    words = paper.words
    paper.set_font(_FONT, size=8)
    paper.set_draw_color(200)
    with paper.table(
        col_widths=_WIDTHS,
        text_align=_ALIGN,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis=TextEmphasis.NONE, color=_GREY),
        line_height=4.4,
        padding=(0.9, 1, 0.9, 1),
        width=190,
    ) as table:
        table.row([words[name] for name in ("project", "model", "quantity", "units", "unit_price", "amount")])
        for line in invoice.lines:
            row = [line.project_name, line.model, words.get(line.quantity, line.quantity), f"{line.units:,}"]
            row += [price_text(line, "").strip().replace("  ", " "), format_money(line.amount, "").strip()]
            table.row(row)
    paper.ln(3)


def _sums(paper: Paper, invoice: Invoice) -> None:
    rows = sum_rows(invoice, paper.words)
    if paper.will_page_break(6.0 * len(rows) + 4):
        paper.add_page()
    for name, text in rows:
        last = name == paper.words["due"]
        paper.set_font(_FONT, size=12 if last else 9)
        paper.set_x(90)
        paper.cell(65, 8 if last else 6, name, border="T" if last else 0)
        paper.cell(45, 8 if last else 6, text, align="R", border="T" if last else 0, new_x="LMARGIN", new_y="NEXT")
    paper.ln(4)


def _label(paper: Paper, text: str) -> None:
    paper.set_font(_FONT, size=8)
    paper.set_text_color(*_GREY)
    paper.cell(90, 5, text, new_x="LEFT", new_y="NEXT")
    paper.set_text_color(0)


def _small(paper: Paper, text: str) -> None:
    paper.set_font(_FONT, size=7.5)
    paper.set_text_color(*_GREY)
    paper.multi_cell(0, 4, text, new_x="LMARGIN", new_y="NEXT")
    paper.set_text_color(0)


class Order(msgspec.Struct):
    """What is to be printed."""

    invoice: Invoice
    language: str


def main() -> None:
    """Standard input to standard output."""
    order: Any = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(draw(order.invoice, order.language))


if __name__ == "__main__":
    main()
