"""An invoice as a page: self-contained HTML in English or Chinese, made for a screen and for paper."""

import time
from collections.abc import Mapping
from html import escape

from argosy.billing.invoices.closing import Invoice, InvoiceLine
from argosy.core import format_money

_LABELS = {
    "en": {
        "title": "Invoice",
        "number": "Number",
        "project": "Project",
        "period": "Period (UTC)",
        "issued": "Issued (UTC)",
        "model": "Model",
        "quantity": "Quantity",
        "units": "Units",
        "unit_price": "Per million",
        "amount": "Amount",
        "total": "Total",
        "covered": "Paid by credits and ahead",
        "due": "Due",
        "input": "Input",
        "cached_input": "Input, cached",
        "output": "Output",
        "training": "Training",
        "tier": "above {tokens:,} tokens of prompt",
        "engine_seconds": "Engine, seconds",
        "storage_mib_hours": "Storage, MiB-hours",
        "images": "Images",
        "characters": "Characters",
        "note": "{count} requests and jobs. Each one's amount is rounded to a millionth on its own; the lines are "
        "their sums, so anyone can add this bill up again from the usage events.",
    },
    "zh": {
        "title": "账单",
        "number": "编号",
        "project": "项目",
        "period": "账期（UTC）",
        "issued": "开具时间（UTC）",
        "model": "模型",
        "quantity": "计量项",
        "units": "用量",
        "unit_price": "每百万单位",
        "amount": "金额",
        "total": "合计",
        "covered": "已由额度与预付抵扣",
        "due": "应付",
        "input": "输入",
        "cached_input": "输入（命中缓存）",
        "output": "输出",
        "training": "训练",
        "tier": "提示超过 {tokens:,} Token",
        "engine_seconds": "引擎运行（秒）",
        "storage_mib_hours": "存储（MiB·小时）",
        "images": "图像",
        "characters": "字符",
        "note": "共 {count} 次请求与任务。每一笔金额各自四舍五入到百万分之一，各行为其总和，"
        "因此任何人都能用用量明细重新核算这张账单。",
    },
}
LANGUAGES = tuple(_LABELS)
"""Languages that a page can be in."""

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;
  max-width:50rem;margin:3rem auto;padding:0 1rem}
h1{font-weight:600;margin-bottom:.2em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.5em;margin:1.5em 0}
dt{opacity:.65}dd{margin:0}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;opacity:.65}
td,th{padding:.45em .6em;border-bottom:1px solid #8884}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot td{font-weight:600;border-bottom:0}
small{opacity:.65}
"""


def render_page(invoice: Invoice, project_name: str, language: str = "en") -> str:
    """The page. ``language`` is one of `LANGUAGES`; raises KeyError for another."""
    label = _LABELS[language]
    facts = {
        "number": f"{invoice.number:06d} · {invoice.id}",
        "project": f"{project_name} · {invoice.project_id}",
        "period": f"{_time(invoice.period_start)} – {_time(invoice.period_end)}",
        "issued": _time(invoice.created_at),
    }
    head = "".join(f"<dt>{label[name]}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    rows = "".join(_row(line, invoice.currency, label) for line in invoice.lines)
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f"<title>{label['title']} {invoice.number:06d}</title><style>{_STYLE}</style>"
        f"<h1>{label['title']}</h1><dl>{head}</dl><table><thead><tr><th>{label['model']}<th>{label['quantity']}"
        f'<th class="n">{label["units"]}<th class="n">{label["unit_price"]}<th class="n">{label["amount"]}</tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{_sums(invoice, label)}</tfoot></table>"
        f"<p><small>{label['note'].format(count=invoice.event_count)}</small></p></html>\n"
    )


def _row(line: InvoiceLine, currency: str, label: dict[str, str]) -> str:
    unit_price = format_money(line.unit_price, currency) + (f" −{line.discount} %" if line.discount else "")
    numbers = (f"{line.units:,}", unit_price, format_money(line.amount, currency))
    cells = "".join(f'<td class="n">{number}' for number in numbers)
    tier = f"<br><small>{label['tier'].format(tokens=line.tier)}</small>" if line.tier else ""
    return f"<tr><td>{escape(line.model)}<td>{label[line.quantity]}{tier}{cells}</tr>"


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _sums(invoice: Invoice, label: Mapping[str, str]) -> str:
    """The total; and what is left of it, where credits have paid some."""
    sums = [("total", invoice.total)]
    if invoice.covered:
        sums += [("covered", -invoice.covered), ("due", invoice.due)]
    return "".join(
        f'<tr><td colspan="4">{label[name]}<td class="n">{format_money(amount, invoice.currency)}</tr>'
        for name, amount in sums
    )
