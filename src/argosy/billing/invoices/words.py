"""The words of invoices, in English and Chinese, and how their numbers and times are written."""

import time

from argosy.billing.invoices.records import InvoiceLine
from argosy.core import format_money

WORDS = {
    "en": {
        "title": "Invoice",
        "number": "Number",
        "issuer": "From",
        "customer": "To",
        "tax_id": "Tax number",
        "period": "Period (UTC)",
        "issued": "Issued (UTC)",
        "currency": "Currency",
        "project": "Project",
        "model": "Model",
        "quantity": "Quantity",
        "units": "Units",
        "unit_price": "Per million",
        "discount": "Discount",
        "amount": "Amount",
        "total": "Charges",
        "covered_credits": "Paid by credits",
        "covered_prepaid": "Paid ahead",
        "subtotal": "Owed",
        "tax": "Tax",
        "rounding": "Rounding",
        "due": "Amount due",
        "paid": "Paid so far",
        "credited": "Credit notes",
        "left": "Left to pay",
        "page": "Page {page} of {pages}",
        "anchor": "Anchor in the ledger",
        "anchor_note": "Block {block} of the ledger's chain, the last before this invoice. Whoever keeps this hash can "
        "prove that nothing up to there was changed since.",
        "input": "Input",
        "cached_input": "Input, cached",
        "output": "Output",
        "training": "Training",
        "note": "{count} requests and jobs. Each one's amount is rounded to a millionth on its own, and the lines are "
        "their sums, so anyone can add this bill up again from the usage events. The amount due is rounded once.",
    },
    "zh": {
        "title": "账单",
        "number": "编号",
        "issuer": "开具方",
        "customer": "客户",
        "tax_id": "税号",
        "period": "账期（UTC）",
        "issued": "开具时间（UTC）",
        "currency": "币种",
        "project": "项目",
        "model": "模型",
        "quantity": "计量项",
        "units": "数量",
        "unit_price": "每百万单价",
        "discount": "折扣",
        "amount": "金额",
        "total": "费用合计",
        "covered_credits": "赠金抵扣",
        "covered_prepaid": "预付抵扣",
        "subtotal": "应付小计",
        "tax": "税额",
        "rounding": "舍入差额",
        "due": "应付金额",
        "paid": "已付",
        "credited": "红字冲减",
        "left": "未付余额",
        "page": "第 {page} 页，共 {pages} 页",
        "anchor": "账本锚点",
        "anchor_note": "本账单之前账本链的最后一个区块（第 {block} 块）的哈希。保存该值，即可证明此前的账目从未被改动。",
        "input": "输入",
        "cached_input": "输入（命中缓存）",
        "output": "输出",
        "training": "训练",
        "note": "共 {count} 次请求与任务。每一笔金额各自四舍五入到百万分之一，各行为其总和，"
        "因此任何人都能用用量明细重新核算这张账单；应付金额只舍入一次。",
    },
}


def rate_text(rate: int) -> str:
    """``1300`` -> ``"13 %"``; ``725`` -> ``"7.25 %"``."""
    whole, rest = divmod(rate, 100)
    return f"{whole}.{rest:02d} %" if rest else f"{whole} %"


def price_text(line: InvoiceLine, currency: str) -> str:
    """A line's unit price, and its discount if there is one."""
    return format_money(line.unit_price, currency) + (f" −{line.discount} %" if line.discount else "")


def time_text(seconds: int) -> str:
    """A time as on a clock in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
