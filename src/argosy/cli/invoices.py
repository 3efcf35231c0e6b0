"""``argosy invoice``: close periods, read and download invoices, take some back, note payments, and who pays."""

import json
import secrets
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.core import Invalid, format_due, format_money, parse_money

app = typer.Typer(help="Invoices: close, list, show, download, credit-note, pay, profile.", no_args_is_help=True)

InvoiceArgument = Annotated[str, typer.Argument(help="An id that 'argosy invoice list' shows.")]
LangOption = Annotated[str, typer.Option(help="Of the table: en or zh.")]
_LIST = ["id", "number", "until", "total", "due", "left", "status"]
_LINES = ["project", "model", "quantity", "units", "unit_price", "discount", "amount"]
_FORMS = ("pdf", "csv", "json", "html")
_CHINESE = {
    "id": "编号（ID）",
    "number": "序号",
    "until": "截至",
    "total": "合计",
    "due": "应付",
    "left": "未付",
    "status": "状态",
    "project": "项目",
    "model": "模型",
    "quantity": "计量项",
    "units": "用量",
    "unit_price": "每百万单位",
    "discount": "折扣 %",
    "amount": "金额",
    "credits": "赠送额度抵扣",
    "paid ahead": "预付抵扣",
    "tax": "税额",
    "rounding": "舍入差额",
    "events": "次请求与任务",
    "open": "未付",
    "partly_paid": "部分已付",
    "paid": "已结清",
    "input": "输入",
    "cached_input": "输入（命中缓存）",
    "output": "输出",
    "training": "训练",
    "correction": "退还",
    "engine_seconds": "引擎运行（秒）",
    "storage_mib_hours": "存储（MiB·小时）",
    "images": "图像",
    "characters": "字符",
}
_ENGLISH = {"events": "requests and jobs"}


@app.command()
def close(
    start: Annotated[int | None, typer.Option(help="Unix seconds; by default the end of the last invoice.")] = None,
    end: Annotated[int | None, typer.Option(help="Unix seconds, not in the future; by default now.")] = None,
    lang: LangOption = "en",
    as_json: JsonOption = False,
) -> None:
    """Close a period of the organization into an invoice that never changes."""
    period = {"period_start": start, "period_end": end}
    _show(post("/invoices", {name: value for name, value in period.items() if value is not None}), lang, as_json)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    lang: LangOption = "en",
    as_json: JsonOption = False,
) -> None:
    """List invoices, newest first."""
    words, rows = _words(lang), get("/invoices", limit=limit)["data"]
    _table(rows if as_json else [_row(row, words) for row in rows], _LIST, words, as_json, tall=True)


@app.command("show")
def show_(invoice: InvoiceArgument, lang: LangOption = "en", as_json: JsonOption = False) -> None:
    """Show an invoice with its lines, and what became of it."""
    _show(get(f"/invoices/{invoice}"), lang, as_json)


@app.command()
def download(
    invoice: InvoiceArgument,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(_FORMS)}.")] = "pdf",
    lang: Annotated[str, typer.Option(help="en or zh; by default the language of the profile.")] = "",
    note: Annotated[str | None, typer.Option("--credit-note", help="This credit note of it: PDF or JSON.")] = None,
    to: Annotated[Path | None, typer.Option(help="The file; by default its id; - for standard output.")] = None,
) -> None:
    """Download an invoice as PDF, CSV, JSON or HTML, or a credit note of it."""
    from openai import HttpxBinaryResponseContent

    if form not in _FORMS:
        raise Invalid(f"The format is one of {', '.join(_FORMS)}.", code="invalid_format")
    _words(lang or "en")
    path = f"/invoices/{invoice}/credit_notes/{note}.{form}" if note else f"/invoices/{invoice}.{form}"
    query = {"lang": lang} if lang else {}
    content = connect().get(path, cast_to=HttpxBinaryResponseContent, options={"params": query}).content
    to = to or Path(f"{note or invoice}.{form}")
    if str(to) == "-":
        sys.stdout.buffer.write(content)
        return
    to.write_bytes(content)
    print(to)


@app.command("credit-note")
def credit_note(
    invoice: InvoiceArgument,
    reason: Annotated[str, typer.Option(help="As the customer is to read it.")],
    amount: Annotated[str | None, typer.Option(help="What is taken back, tax included, such as '12.50 USD'.")] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(help="POSITION=AMOUNT: of one line, before tax, such as '0=1.25 USD'. Repeatable."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Asking twice with the same one makes one note.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take back some of an invoice. Without an amount or lines: all that is left of it."""
    found = get(f"/invoices/{invoice}")
    body: dict[str, Any] = {"reason": reason, "idempotency_key": key or secrets.token_hex(16)}
    if line:
        body["lines"] = [_line(text, found["currency"]) for text in line]
    if amount is not None or not line:
        body["amount"] = found["left"] if amount is None else _micro(amount, found["currency"])
    made = post(f"/invoices/{invoice}/credit_notes", body)
    show([made], ["id", "number", "invoice_id", "amount_text", "reason"], as_json=as_json, tall=True)


@app.command()
def pay(
    invoice: InvoiceArgument,
    reference: Annotated[str, typer.Option(help="The bank's or the sender's: told twice, it is one payment.")],
    amount: Annotated[str | None, typer.Option(help="Such as '12.50 USD'; by default all that is left.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Note that an invoice was paid."""
    found = get(f"/invoices/{invoice}")
    micro = found["left"] if amount is None else _micro(amount, found["currency"])
    made = post(f"/invoices/{invoice}/payments", {"amount": micro, "reference": reference})
    row = made if as_json else made | {"amount": format_money(made["amount"], made["currency"])}
    show([row], ["id", "invoice_id", "amount", "reference"], as_json=as_json, tall=True)


@app.command()
def profile(
    customer: Annotated[str | None, typer.Option(help="Who pays.")] = None,
    customer_address: Annotated[str | None, typer.Option(help=r"With \n between lines.")] = None,
    customer_tax_id: Annotated[str | None, typer.Option()] = None,
    issuer: Annotated[str | None, typer.Option(help="Who issues invoices.")] = None,
    issuer_address: Annotated[str | None, typer.Option(help=r"With \n between lines.")] = None,
    issuer_tax_id: Annotated[str | None, typer.Option()] = None,
    tax_name: Annotated[str | None, typer.Option(help="Such as VAT or 增值税.")] = None,
    tax_percent: Annotated[str | None, typer.Option(help="Up to two decimals.")] = None,
    lang: Annotated[str | None, typer.Option(help="Of invoices: en or zh.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what stands at the head of invoices, or change some of it for those to come."""
    found = get("/billing/profile")
    parties = {
        "customer": {"name": customer, "address": customer_address, "tax_id": customer_tax_id},
        "issuer": {"name": issuer, "address": issuer_address, "tax_id": issuer_tax_id},
    }
    rate = None if tax_percent is None else _hundredths(tax_percent)
    rest = _given({"tax_name": tax_name, "tax_rate": rate, "language": lang})
    changed = {who: _given(said) for who, said in parties.items()}
    if rest or any(changed.values()):
        kept = {name: value for name, value in found.items() if name != "object"}
        found = put("/billing/profile", {**kept, **rest, **{who: kept[who] | said for who, said in changed.items()}})
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for who in ("issuer", "customer"):
        said = ", ".join(text.replace("\n", ", ") for text in found[who].values() if text)
        print(f"{who:9} {said}")
    print(f"{'tax':9} {found['tax_name'] or '-'} {found['tax_rate'] / 100:g} %")
    print(f"{'language':9} {found['language']}")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; ``\\n`` in them is a line break, since a shell makes it hard to write one."""
    return {
        name: value.replace("\\n", "\n") if isinstance(value, str) else value
        for name, value in options.items()
        if value is not None
    }


def _words(lang: str) -> dict[str, str]:
    """The words of a language; what it lacks stays as it is. Raises Invalid."""
    if lang not in ("en", "zh"):
        raise Invalid("The language is en or zh.", code="invalid_language")
    return _CHINESE if lang == "zh" else _ENGLISH


def _table(
    rows: list[dict[str, Any]], columns: list[str], words: dict[str, str], as_json: bool, *, tall: bool = False
) -> None:
    if not as_json:
        rows = [{words.get(column, column): row.get(column) for column in columns} for row in rows]
    show(rows, [words.get(column, column) for column in columns], as_json=as_json, tall=tall)


def _row(found: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """For a table; a project's part has neither what is due nor what was settled."""
    currency = found["currency"]
    row: dict[str, Any] = {name: format_due(found[name], currency) for name in ("due", "left") if name in found}
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(found["period_end"]))
    row |= {"id": found["id"], "number": found["number"], "until": f"{until} UTC", "total": found["total_text"]}
    return row | {"status": words.get(found.get("status", ""), found.get("status"))}


def _show(found: dict[str, Any], lang: str, as_json: bool) -> None:
    words, currency = _words(lang), found["currency"]
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    lines = [
        {**line, "quantity": words.get(line["quantity"], line["quantity"])}
        | {name: format_money(line[name], "").rstrip() for name in ("unit_price", "amount")}
        for line in found["lines"]
    ]
    _table(lines, _LINES, words, as_json=False)
    row = _row(found, words)
    print(f"{found['id']} · {found['number']:06d} · {row['until']} · {found['event_count']} {words['events']}")
    steps = {"total": found["total"], "credits": -found["covered_credits"], "paid ahead": -found["covered_prepaid"]}
    steps |= {"tax": found.get("tax", 0), "rounding": found.get("rounding", 0)}
    for name, amount in steps.items():
        if amount or name == "total":
            print(f"{words.get(name, name)}: {format_money(amount, currency)}")
    for name in ("due", "left"):
        if name in row:
            print(f"{words.get(name, name)}: {row[name]}" + (f" ({row['status']})" if name == "left" else ""))


def _line(text: str, currency: str) -> dict[str, int]:
    position, equals, amount = text.partition("=")
    if not equals or not position.isascii() or not position.isdigit():
        raise Invalid(f"'{text}' is no part of a line; write it like '0=1.25 USD'.", code="invalid_line")
    return {"position": int(position), "amount": _micro(amount, currency)}


def _micro(text: str, currency: str) -> int:
    """Micro-units. Raises Invalid, also for another currency than the invoice's."""
    try:
        micro, named = parse_money(text)
    except ValueError as error:
        raise Invalid(str(error), code="invalid_amount") from error
    if named != currency:
        raise Invalid(f"The invoice is in {currency}, and this is in {named}.", code="currency_mismatch")
    return micro


def _hundredths(percent: str) -> int:
    try:
        hundredths = Decimal(percent) * 100
    except InvalidOperation:
        hundredths = Decimal("NaN")
    if not hundredths.is_finite() or hundredths != int(hundredths):
        raise Invalid(f"'{percent}' is no percentage with two decimals at most.", code="invalid_percent")
    return int(hundredths)
