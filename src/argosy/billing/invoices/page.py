"""An invoice as a page: self-contained HTML in English or Chinese, made for a screen and for paper."""

from html import escape

from argosy.billing.invoices.records import Invoice, InvoiceLine, Party
from argosy.billing.invoices.words import WORDS, price_text, rate_text, time_text
from argosy.core import format_due, format_money

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;
  max-width:56rem;margin:3rem auto;padding:0 1rem}
h1{font-weight:600;margin-bottom:.2em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.5em;margin:1.5em 0}
dt{opacity:.65}dd{margin:0;white-space:pre-line}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;opacity:.65}
td,th{padding:.45em .6em;border-bottom:1px solid #8884}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot td{border-bottom:0}tfoot tr:last-child{font-weight:600}
small{opacity:.65;overflow-wrap:anywhere}
"""


def render_page(invoice: Invoice, language: str = "en") -> str:
    """The page. ``language`` is one of `LANGUAGES`; raises KeyError for another."""
    words = WORDS[language]
    facts = {
        "number": f"{invoice.number:06d} · {invoice.id}",
        "issuer": party_text(invoice.issuer, words),
        "customer": party_text(invoice.customer, words),
        "period": f"{time_text(invoice.period_start)} – {time_text(invoice.period_end)}",
        "issued": time_text(invoice.created_at),
    }
    head = "".join(f"<dt>{words[name]}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)
    rows = "".join(_row(line, invoice.currency, words) for line in invoice.lines)
    foot = "".join(f'<tr><td colspan="5">{escape(name)}<td class="n">{text}</tr>' for name, text in sum_rows(invoice, words))
    note = words["note"].format(count=invoice.event_count)
    anchor = f"{words['anchor']}: {invoice.anchor}. {words['anchor_note'].format(block=invoice.anchor_block)}"
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f"<title>{words['title']} {invoice.number:06d}</title><style>{_STYLE}</style>"
        f"<h1>{words['title']}</h1><dl>{head}</dl><table><thead><tr><th>{words['project']}<th>{words['model']}"
        f'<th>{words["quantity"]}<th class="n">{words["units"]}<th class="n">{words["unit_price"]}'
        f'<th class="n">{words["amount"]}</tr></thead><tbody>{rows}</tbody><tfoot>{foot}</tfoot></table>'
        f"<p><small>{note}</small></p><p><small>{anchor if invoice.anchor else ''}</small></p></html>\n"
    )


def sum_rows(invoice: Invoice, words: dict[str, str]) -> list[tuple[str, str]]:
    """From the sum of the lines to what is due: name and amount of each row; parts that are nothing are left out."""
    rows = [
        (words["total"], invoice.total),
        (words["covered_credits"], -invoice.covered_credits),
        (words["covered_prepaid"], -invoice.covered_prepaid),
        (f"{invoice.tax_name or words['tax']} ({rate_text(invoice.tax_rate)})", invoice.tax),
        (words["rounding"], invoice.rounding),
    ]
    written = [(name, format_money(amount, invoice.currency)) for name, amount in rows if amount]
    return [*written, (words["due"], format_due(invoice.due, invoice.currency))]


def party_text(party: Party, words: dict[str, str]) -> str:
    """Name, address and tax number, a line each."""
    tax_id = f"{words['tax_id']}: {party.tax_id}" if party.tax_id else ""
    return "\n".join(line for line in (party.name, party.address.strip(), tax_id) if line)


def _row(line: InvoiceLine, currency: str, words: dict[str, str]) -> str:
    numbers = (f"{line.units:,}", price_text(line, currency), format_money(line.amount, currency))
    cells = "".join(f'<td class="n">{number}' for number in numbers)
    names = f"<td>{escape(line.project_name)}<td>{escape(line.model)}"
    return f"<tr>{names}<td>{words.get(line.quantity, line.quantity)}{cells}</tr>"
