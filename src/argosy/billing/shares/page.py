"""A statement as a page: self-contained HTML in English or Chinese, made for a screen and for paper."""

import time
from html import escape

from argosy.billing.shares.statement import Statement
from argosy.core import format_money

_LABELS = {
    "en": {
        "title": "Statement of revenue share",
        "owner": "Owner",
        "period": "Period (UTC)",
        "model": "Model",
        "rule": "Rule",
        "version": "version",
        "events": "Requests and jobs",
        "tokens": "Tokens",
        "revenue": "Charged",
        "share": "Share",
        "opening": "Owed before",
        "taken_back": "Share of what was given back",
        "payout": "Paid out",
        "payout_back": "Payout taken back",
        "closing": "Owed now",
        "note": "A share is fixed when usage is posted, by the version of the rule that held when it began. Charged is "
        "what customers were charged, also where credits paid for it. Usage of the period's last seconds may be on the "
        "next statement.",
    },
    "zh": {
        "title": "收入分成对账单",
        "owner": "权利人",
        "period": "账期（UTC）",
        "model": "模型",
        "rule": "规则",
        "version": "版本",
        "events": "请求与任务数",
        "tokens": "Token 数",
        "revenue": "计费金额",
        "share": "分成",
        "opening": "期初应付",
        "taken_back": "退款对应的分成冲回",
        "payout": "已支付",
        "payout_back": "支付冲回",
        "closing": "期末应付",
        "note": "分成在用量入账时确定，依据用量开始时生效的规则版本。计费金额为向客户收取的金额，"
        "由赠送额度抵扣的部分也计算在内。账期最后几秒的用量可能计入下一期对账单。",
    },
}
LANGUAGES = tuple(_LABELS)
"""Languages that a page can be in."""

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;max-width:58rem;margin:3rem auto;
  padding:0 1rem}
h1{font-weight:600;margin-bottom:.2em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.5em;margin:1.5em 0}
dt{opacity:.65}dd{margin:0}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;opacity:.65}
td,th{padding:.45em .6em;border-bottom:1px solid #8884;overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot td{font-weight:600;border-bottom:0}
small{opacity:.65}
"""


def render_page(statement: Statement, language: str = "en") -> str:
    """The page. ``language`` is one of `LANGUAGES`; raises KeyError for another."""
    label = _LABELS[language]
    facts = {
        "owner": f"{statement.owner_name} · {statement.owner}",
        "period": f"{_time(statement.period_start)} – {_time(statement.period_end)}",
    }
    head = "".join(f"<dt>{label[name]}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    columns = "".join(f'<th class="n">{label[name]}' for name in ("events", "tokens", "revenue", "share"))
    rows = "".join(_rows(statement, label))
    closing = _money(statement.closing, statement)
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{label["title"]}</title>'
        f"<style>{_STYLE}</style><h1>{label['title']}</h1><dl>{head}</dl>"
        f"<table><thead><tr><th>{label['model']}<th>{label['rule']}{columns}</tr></thead><tbody>{rows}</tbody>"
        f'<tfoot><tr><td colspan="5">{label["closing"]}<td class="n">{closing}</tr></tfoot></table>'
        f"<p><small>{label['note']}</small></p></html>\n"
    )


def _rows(statement: Statement, label: dict[str, str]) -> list[str]:
    rows = [_wide(label["opening"], statement.opening, statement)]
    for line in statement.earned:
        rule = f"{line.rule_model}, {label['version']} {line.version}"
        numbers = (
            f"{line.events:,}",
            f"{line.tokens:,}",
            _money(line.revenue, statement),
            _money(line.share, statement),
        )
        cells = "".join(f'<td class="n">{number}' for number in numbers)
        rows.append(f"<tr><td>{escape(line.model)}<td>{escape(rule)}{cells}</tr>")
    for back in statement.taken_back:
        rows.append(_wide(f"{label['taken_back']}: {back.model}", back.share, statement))
    for moved in statement.movements:
        what = label["payout"] if moved.amount < 0 else label["payout_back"]
        said = " · ".join(filter(None, (what, _time(moved.created_at), moved.note)))
        rows.append(_wide(said, moved.amount, statement))
    return rows


def _wide(text: str, amount: int, statement: Statement) -> str:
    return f'<tr><td colspan="5">{escape(text)}<td class="n">{_money(amount, statement)}</tr>'


def _money(amount: int, statement: Statement) -> str:
    return format_money(amount, statement.currency)


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
