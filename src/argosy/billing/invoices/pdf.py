"""An invoice as PDF, in English or Chinese, with the fonts it needs inside.

Runs as a process of its own (see `printing`): reading a font with all Chinese characters takes a second and 130 MB,
which is not for a process that answers requests. Reads an invoice as JSON, writes a PDF.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec
import noto_cjk_sans_otc
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout, TextEmphasis
from fpdf.fonts import FontFace

from argosy.billing.invoices import layout
from argosy.billing.invoices.records import Invoice
from argosy.billing.invoices.settlement.records import CreditNote

_FONT = "noto"
_SIMPLIFIED_CHINESE = 2
"""The number of the font in the collection: Japanese and Korean come before it."""
_GREY = (105, 105, 105)
_RULE = 205
"""How light the lines between rows are, from 0 to 255."""
_LEFT, _WIDTH = 14, 182
"""Margin and width of the text, in millimetres of A4's 210."""
_WIDTHS = (27, 45, 33, 23, 25, 29)
_SMALL = 4.2
"""Height of a line of small text, in millimetres."""
_NEVER_FIRST = "。，、；：！？）》”’,.;:)"
_SUMS_LEFT, _SUM_NAME, _SUM_AMOUNT = 96, 60, 40


class Paper(FPDF):
    """A4 pages with the invoice's number and the page's at the foot."""

    def __init__(self, name: str, issued_at: int, words: layout.Words, language: str) -> None:
        super().__init__(format="A4")
        self.words, self.name = words, name
        self.language = language
        self.set_title(self.name)
        self.set_lang(language)
        self.set_creation_date(datetime.fromtimestamp(issued_at, UTC))
        self.set_margins(_LEFT, 16)
        self.set_auto_page_break(True, 20)
        self.add_font(_FONT, fname=noto_cjk_sans_otc.FONT_PATH, collection_font_number=_SIMPLIFIED_CHINESE)
        self.write_in(9)
        self.alias_nb_pages("{pages}")
        self.add_page()

    def write_in(self, size: float, *, grey: bool = False) -> None:
        """How what comes next looks; ``size`` in points."""
        self.set_font(_FONT, size=size)
        self.set_text_color(*(_GREY if grey else (0, 0, 0)))

    def footer(self) -> None:
        """On each page."""
        self.set_y(-14)
        self.write_in(7.5, grey=True)
        page = self.words["page"].replace("{page}", str(self.page_no()))
        self.cell(0, 5, f"{self.name} · {page}")
        self.write_in(9)


def draw(invoice: Invoice, language: str) -> bytes:
    """The document's bytes: the same invoice gives the same ones, whenever it is drawn."""
    words = layout.words_of(language)
    paper = Paper(layout.title(invoice, words), invoice.created_at, words, language)
    _head(paper, words["title"], invoice, layout.facts(invoice, words))
    _lines(paper, [layout.row(line, words) for line in invoice.lines])
    _sums(paper, layout.sums(invoice, words), words["due"])
    _notes(paper, invoice)
    return bytes(paper.output())


def draw_note(note: CreditNote, invoice: Invoice, language: str) -> bytes:
    """The same of a credit note of the invoice."""
    words = layout.words_of(language)
    paper = Paper(layout.note_title(note, words), note.created_at, words, language)
    _head(paper, words["credit_note"], invoice, layout.note_facts(note, invoice, words))
    _lines(paper, layout.note_rows(note, invoice, words))
    _sums(paper, layout.note_sums(note, invoice, words), words["credited"])
    return bytes(paper.output())


def _head(paper: Paper, title: str, invoice: Invoice, facts: Sequence[tuple[str, str]]) -> None:
    """All that stands above the lines."""
    paper.write_in(22)
    paper.cell(0, 12, title, new_x="LMARGIN", new_y="NEXT")
    _parties(paper, invoice)
    for name, text in facts:
        paper.write_in(9, grey=True)
        paper.cell(32, 5, name)
        paper.write_in(9)
        paper.multi_cell(0, 5, text, align="L", new_x="LMARGIN", new_y="NEXT")
    paper.ln(5)


def _parties(paper: Paper, invoice: Invoice) -> None:
    """Who issues it on the left, who pays on the right."""
    top = lowest = paper.get_y() + 3
    for left, name, party in ((_LEFT, "issuer", invoice.issuer), (110, "customer", invoice.customer)):
        paper.set_xy(left, top)
        paper.write_in(8, grey=True)
        paper.cell(86, 5, paper.words[name])
        paper.set_xy(left, top + 5)
        paper.write_in(10)
        paper.multi_cell(86, 5, layout.party(party, paper.words) or "–", align="L")
        lowest = max(lowest, paper.get_y())
    paper.set_xy(_LEFT, lowest + 5)


def _lines(paper: Paper, rows: Sequence[layout.Row]) -> None:
    """The table; its head is repeated on each page, and no row is cut in two."""
    paper.write_in(8)
    paper.set_draw_color(_RULE)
    aligned = ["RIGHT" if at >= layout.FIRST_NUMBER else "LEFT" for at in range(len(layout.COLUMNS))]
    with paper.table(
        col_widths=_WIDTHS,
        text_align=tuple(aligned),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis=TextEmphasis.NONE, color=_GREY),
        line_height=4.2,
        padding=(1.1, 1, 1.1, 1),
        v_align="TOP",
        width=_WIDTH,
    ) as table:
        table.row([paper.words[name] for name in layout.COLUMNS])
        for row in rows:
            quantity = f"{row.quantity}\n{row.detail}" if row.detail else row.quantity
            table.row([row.project, row.model, quantity, row.units, row.unit_price, row.amount])
    paper.ln(3)


def _sums(paper: Paper, steps: Sequence[tuple[str, str]], largest: str) -> None:
    """Together on one page; the one with the name ``largest`` is larger."""
    if paper.will_page_break(6.0 * len(steps) + 6):
        paper.add_page()
    for name, text in steps:
        last = name == largest
        height, border = (9, "T") if last else (6, "")
        paper.write_in(12 if last else 9)
        paper.set_x(_SUMS_LEFT)
        paper.cell(_SUM_NAME, height, name, border=border)
        paper.cell(_SUM_AMOUNT, height, text, align="R", border=border, new_x="LMARGIN", new_y="NEXT")
    paper.ln(6)


def _notes(paper: Paper, invoice: Invoice) -> None:
    """Together on one page, too."""
    paper.write_in(7.5, grey=True)
    notes = "\n".join(_folded(paper, note) for note in layout.notes(invoice, paper.words))
    height = paper.multi_cell(0, _SMALL, notes, align="L", dry_run=True, output=MethodReturnValue.HEIGHT)
    if paper.will_page_break(cast(float, height)):
        paper.add_page()
        paper.write_in(7.5, grey=True)
    paper.multi_cell(0, _SMALL, notes, align="L")


def _folded(paper: Paper, text: str) -> str:
    """Chinese breaks between any two characters, but no line begins with a mark that ends something."""
    if paper.language != "zh":
        return text
    lines = [""]
    for character in text:
        if paper.get_string_width(lines[-1] + character) < paper.epw - 2 * paper.c_margin:
            lines[-1] += character
        elif character in _NEVER_FIRST:
            lines[-1], last = lines[-1][:-1], lines[-1][-1]
            lines.append(last + character)
        else:
            lines.append(character)
    return "\n".join(lines)


class Order(msgspec.Struct):
    """What is to be printed."""

    invoice: Invoice
    language: str
    note: CreditNote | None = None
    """Of the invoice: then that is printed."""


def main() -> None:
    """Standard input to standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    if order.note:
        sys.stdout.buffer.write(draw_note(order.note, order.invoice, order.language))
    else:
        sys.stdout.buffer.write(draw(order.invoice, order.language))


if __name__ == "__main__":
    main()
