"""The words of invoices, in English and Chinese, and how their numbers and times are written."""

import time

from argosy.core import format_money

WORDS = {
    "en": {
        "title": "Invoice",
        "number": "Number",
        "issuer": "From",
        "customer": "To",
        "tax_id": "Tax number",
        "period": "Period (UTC)",
        "from_to": "{start} to before {end}",
        "up_to": "all before {end}",
        "issued": "Issued (UTC)",
        "currency": "Currency",
        "part": "Part",
        "part_note": "Only what project {project} used. Tax, rounding and the amount due are on the whole invoice.",
        "project": "Project",
        "model": "Model",
        "quantity": "Quantity",
        "units": "Units",
        "unit_price": "Per million",
        "amount": "Amount",
        "total": "Total of the lines",
        "covered_credits": "Paid by granted credits",
        "covered_prepaid": "Paid ahead",
        "subtotal": "Owed",
        "tax": "Tax",
        "rounding": "Rounded to what can be paid",
        "due": "Amount due",
        "credit_note": "Credit note",
        "of_invoice": "For invoice",
        "reason": "Reason",
        "taken_back": "Taken back of the lines",
        "credited": "Amount credited",
        "page": "Page {page} of {pages}",
        "input": "Input",
        "cached_input": "Input, cached",
        "output": "Output",
        "training": "Training",
        "engine_seconds": "Engine, seconds",
        "storage_mib_hours": "Storage, MiB-hours",
        "images": "Images",
        "characters": "Characters",
        "correction": "Given back",
        "tier": "above {tokens:,} tokens of prompt",
        "off": "{percent} % off",
        "note": "{count:,} requests and jobs. Each one's amount is rounded to a millionth on its own; the lines are "
        "their sums, so anyone can add this bill up again from the usage events. The amount due is rounded once, "
        "half up.",
        "anchor": "Anchor in the ledger: {hash}",
        "anchor_note": "It is the hash of block {block} of the ledger's chain, the last before this invoice. Whoever "
        "keeps it can prove that nothing up to there was changed since.",
    },
    "zh": {
        "title": "账单",
        "number": "编号",
        "issuer": "开具方",
        "customer": "客户",
        "tax_id": "税号",
        "period": "账期（UTC）",
        "from_to": "{start} 起，{end} 之前",
        "up_to": "{end} 之前的全部",
        "issued": "开具时间（UTC）",
        "currency": "币种",
        "part": "范围",
        "part_note": "仅含项目 {project} 的用量。税额、舍入差额与应付金额见整张账单。",
        "project": "项目",
        "model": "模型",
        "quantity": "计量项",
        "units": "用量",
        "unit_price": "每百万单位",
        "amount": "金额",
        "total": "各行合计",
        "covered_credits": "赠送额度抵扣",
        "covered_prepaid": "预付抵扣",
        "subtotal": "应付小计",
        "tax": "税额",
        "rounding": "舍入到可支付金额",
        "due": "应付金额",
        "credit_note": "贷项通知单",
        "of_invoice": "对应账单",
        "reason": "原因",
        "taken_back": "各行冲减合计",
        "credited": "冲减金额",
        "page": "第 {page} 页，共 {pages} 页",
        "input": "输入",
        "cached_input": "输入（命中缓存）",
        "output": "输出",
        "training": "训练",
        "engine_seconds": "引擎运行（秒）",
        "storage_mib_hours": "存储（MiB·小时）",
        "images": "图像",
        "characters": "字符",
        "correction": "退还",
        "tier": "提示超过 {tokens:,} Token",
        "off": "减 {percent} %",
        "note": "共 {count:,} 次请求与任务。每一笔金额各自四舍五入到百万分之一，各行为其总和，"
        "因此任何人都能用用量明细重新核算这张账单。应付金额只做一次四舍五入。",
        "anchor": "账本锚点：{hash}",
        "anchor_note": "它是本账单之前账本链最后一个区块（第 {block} 块）的哈希。"
        "保存该值，即可证明此前的账目从未被改动。",
    },
}


def rate_text(rate: int) -> str:
    """Hundredths of a percent: ``1300`` -> ``"13 %"``; ``725`` -> ``"7.25 %"``."""
    whole, rest = divmod(rate, 100)
    return f"{whole}.{rest:02d} %" if rest else f"{whole} %"


def number_text(micro: int) -> str:
    """An amount in micro-units with all six digits and without its currency."""
    return format_money(micro, "").rstrip()


def grouped(text: str) -> str:
    """An amount's text with its thousands apart: ``"-1234567.50 USD"`` -> ``"-1,234,567.50 USD"``."""
    sign, rest = ("-", text[1:]) if text.startswith("-") else ("", text)
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{sign}{int(rest[:digits]):,}{rest[digits:]}"


def time_text(seconds: int) -> str:
    """A time as on a clock in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
