"""An invoice as page, PDF, CSV: readable in both languages, and no name in it is trusted."""

import csv
import io
from pathlib import Path

import pytest
from pypdf import PdfReader

from argosy.billing import invoices
from argosy.billing.cells import plain_cell
from argosy.billing.invoices import Invoice, Party
from argosy.runtime import Database

from .conftest import Office

EVIL = '=HYPERLINK("http://evil.example";"x")'


@pytest.fixture
def invoice(office: Office) -> Invoice:
    """Many lines, long and Chinese names, a discount, a correction, credits, tax."""
    office.profile(
        issuer=Party("Harbour Operations GmbH", "Hafenstraße 12\n20457 Hamburg", "DE123456789"),
        customer=Party("扬帆科技有限公司", "北京市海淀区中关村大街1号\n邮编 100080", "91110108MA01"),
        tax_name="增值税",
        tax_rate=1_300,
    )
    fund = office.fund("grant", 1_000)
    office.record([office.meter.event("req_paid", at=90, prompt_tokens=10_000_000, fund=fund)])
    for n in range(20):
        model = f"ft:smollm2-135m-instruct:argosy:ask-data-华北销售-{n}:01kabcdef"
        office.use(f"req_{n}", 100 + n, model=model, prompt_tokens=1_234_567, cached_tokens=5, completion_tokens=9)
    office.use("req_half", 130, prompt_tokens=2_000_000, discount=50, project="proj_b")
    office.use("req_formula", 131, model=EVIL, prompt_tokens=1_000_000)
    office.give_back("req_half", 100)
    return office.close(50, 200)


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("en", ["Invoice", "Amount due", "Input, cached", "50 % off", "Given back", "Page 1 of", "1,234,562"]),
        ("zh", ["账单", "应付金额", "输入（命中缓存）", "减 50 %", "退还", "第 1 页", "舍入到可支付金额"]),
    ],
)
def test_the_pdf_can_be_read_in_both_languages(invoice: Invoice, language: str, wanted: list[str]) -> None:
    read = PdfReader(io.BytesIO(invoices.print_pdf(invoice, language)))
    pages = [page.extract_text().replace("\x00", "") for page in read.pages]  # it reads half of each letter's code
    assert len(pages) > 1
    text = "\n".join(pages)
    for word in [*wanted, "扬帆科技有限公司", "华北销售", "Hafenstraße", invoice.id, "增值税 (13 %)"]:
        assert word in text, word
    head = {"en": "Per million", "zh": "每百万单位"}[language]
    assert sum(head in page for page in pages) >= len(pages) - 1, (
        "the table's head is on each page that goes on with it"
    )
    fonts = {name for page in read.pages for name in page["/Resources"]["/Font"]}
    assert fonts, "fonts are inside, so that it reads the same everywhere"


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("en", ["Credit note 000001", "For invoice", "Reason", "Taken back of the lines", "Amount credited"]),
        ("zh", ["贷项通知单 000001", "对应账单", "原因", "各行冲减合计", "冲减金额"]),
    ],
)
def test_a_credit_note_can_be_read_in_both_languages(
    office: Office, invoice: Invoice, language: str, wanted: list[str]
) -> None:
    with office.database.write() as tx:
        note = invoices.credit(tx, "proj_a", invoice.id, "服务中断 two hours", amount=1_000_000)
    read = PdfReader(io.BytesIO(invoices.print_pdf(invoice, language, note)))
    text = "\n".join(page.extract_text().replace("\x00", "") for page in read.pages)
    for word in [*wanted, invoice.id, note.id, "1.00 USD", "服务中断", "扬帆科技有限公司", "增值税 (13 %)"]:
        assert word in text, word
    assert "Per million" in text or "每百万单位" in text


def test_the_same_invoice_gives_the_same_pdf(invoice: Invoice) -> None:
    assert invoices.print_pdf(invoice, "en") == invoices.print_pdf(invoice, "en")


def test_the_page_is_in_both_languages_and_trusts_no_name(office: Office) -> None:
    office.profile(customer=Party("R&D <b>"))
    office.use("req_1", 150, model="<script>", prompt_tokens=1_000_000)
    made = office.close(100, 200)
    english, chinese = (invoices.render_page(made, language) for language in ("en", "zh"))
    assert "Invoice" in english
    assert "账单" in chinese
    for page in (english, chinese):
        assert '<td class="n">0.150000' in page
        assert "0.15 USD" in page
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        assert "R&amp;D &lt;b&gt;" in page
        assert "http" not in page


def test_the_page_tells_how_what_is_due_comes_about(invoice: Invoice) -> None:
    page = invoices.render_page(invoice, "en")
    for text in ("Paid by granted credits", "-0.001000 USD", "增值税 (13 %)", "Rounded to what can be paid"):
        assert text in page
    assert invoice.anchor in page


def test_no_cell_of_the_sheet_is_a_formula_and_its_sums_are_the_invoices(office: Office, invoice: Invoice) -> None:
    rows = list(csv.DictReader(io.StringIO(invoices.render_sheet(invoice))))
    lines = [row for row in rows if row["kind"] == "line"]
    assert [row["model"] for row in lines if "HYPERLINK" in row["model"]] == [f"'{EVIL}"]
    micro = [round(float(row["amount"]) * 10**6) for row in lines]
    assert micro == [line.amount for line in invoice.lines]
    sums = {row["kind"]: round(float(row["amount"]) * 10**6) for row in rows if row["kind"] != "line"}
    assert sums["total"] + sums["covered_credits"] + sums["covered_prepaid"] == sums["subtotal"]
    assert sums["subtotal"] + sums["tax"] + sums["rounding"] == sums["due"] == invoice.due


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", " =1"])
def test_what_a_spreadsheet_would_run_is_led_by_an_apostrophe(text: str) -> None:
    assert plain_cell(text) == f"'{text}"
    assert plain_cell(f"a{text}") == f"a{text}"


def test_a_part_says_that_it_is_one(office: Office, invoice: Invoice) -> None:
    with office.database.read() as tx:
        part = invoices.get_invoice(tx, "proj_b", invoice.id, only_project="proj_b")
    page = invoices.render_page(part, "zh")
    assert "仅含项目 Project b 的用量" in page
    assert "应付金额</td>" not in page.replace("\n", "")
    assert '<td colspan="5">应付金额' not in page
    assert "due" not in invoices.render_sheet(part).splitlines()[-1].split(",")[4]


def test_a_pdf_that_cannot_be_drawn_says_why(invoice: Invoice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from argosy.core import Internal

    broken = tmp_path / "fpdf"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('no fonts today')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(Internal, match="no fonts today"):
        invoices.print_pdf(invoice, "en")


def test_renaming_does_not_change_what_was_sent(office: Office, invoice: Invoice, database: Database) -> None:
    office.profile(customer=Party("Somebody else"), tax_rate=0)
    with database.read() as tx:
        assert invoices.get_invoice(tx, "proj_a", invoice.id) == invoice
