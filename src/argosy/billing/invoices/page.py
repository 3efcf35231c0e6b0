"""An invoice as a page: self-contained HTML in English or Chinese, made for a screen and for paper."""

from html import escape

from argosy.billing.invoices import layout
from argosy.billing.invoices.records import Invoice, InvoiceLine

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;
  max-width:58rem;margin:3rem auto;padding:0 1rem}
h1{font-weight:600;margin-bottom:.2em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.5em;margin:1.5em 0}
dt{opacity:.65}dd{margin:0;white-space:pre-line}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;opacity:.65}
td,th{padding:.45em .6em;border-bottom:1px solid #8884;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot td{border-bottom:0}tfoot tr:last-child{font-weight:600}
small{opacity:.65;overflow-wrap:anywhere}
"""


def render_page(invoice: Invoice, language: str = "en") -> str:
    """The page. ``language`` is one of `LANGUAGES`; raises KeyError for another."""
    words = layout.words_of(language)
    parties = [(words["issuer"], layout.party(invoice.issuer, words))]
    parties.append((words["customer"], layout.party(invoice.customer, words)))
    said = [*layout.facts(invoice, words), *parties]
    head = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in said if text)
    heads = "".join(f"<th{_class(at)}>{words[name]}" for at, name in enumerate(layout.COLUMNS))
    rows = "".join(_row(line, words) for line in invoice.lines)
    foot = "".join(
        f'<tr><td colspan="5">{escape(name)}<td class="n">{text}</tr>' for name, text in layout.sums(invoice, words)
    )
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in layout.notes(invoice, words))
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f"<title>{layout.title(invoice, words)}</title><style>{_STYLE}</style>"
        f"<h1>{words['title']}</h1><dl>{head}</dl><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody><tfoot>{foot}</tfoot></table>{notes}</html>\n"
    )


def _row(line: InvoiceLine, words: layout.Words) -> str:
    row = layout.row(line, words)
    cells = [escape(text) for text in row[: len(layout.COLUMNS)]]
    if row.detail:
        cells[layout.FIRST_NUMBER - 1] += f"<br><small>{escape(row.detail)}</small>"
    return "<tr>" + "".join(f"<td{_class(at)}>{cell}" for at, cell in enumerate(cells)) + "</tr>"


def _class(column: int) -> str:
    return ' class="n"' if column >= layout.FIRST_NUMBER else ""
