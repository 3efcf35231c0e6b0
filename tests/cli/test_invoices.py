"""``argosy invoice``: from closing a period to its PDF, a credit note and a payment."""

import json

import pytest
from tests.cli.test_usage import use
from tests.gateway.harness import running_api
from tests.gateway.limits.test_at_the_door import argosy


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path) as running:
        yield running


async def invoice(api, *words):
    code, said = await argosy(api, "invoice", *words)
    assert code == 0, said
    return said


async def test_a_period_is_closed_shown_downloaded_credited_and_paid(api, tmp_path):
    await invoice(api, "profile", "--customer", "扬帆", "--customer-address", "北京\\n海淀", "--tax-percent", "13")
    shown = json.loads(await invoice(api, "profile", "--tax-name", "增值税", "--json"))
    assert shown["customer"] == {"name": "扬帆", "address": "北京\n海淀", "tax_id": ""}
    assert (shown["tax_rate"], shown["tax_name"]) == (1_300, "增值税")
    use(api, "req_1", prompt_tokens=10**9, completion_tokens=10**9)  # at 1,000 and 2,000 micro-units a million
    made = json.loads(await invoice(api, "close", "--json"))
    assert (made["subtotal"], made["tax"], made["due"]) == (3_000_000, 390_000, 3_390_000)
    listed = await invoice(api, "list")
    assert "3.39 USD" in listed
    assert "open" in listed
    told = await invoice(api, "show", made["id"], "--lang", "zh")
    for text in ("应付: 3.39 USD", "税额: 0.390000 USD", "输入", "每百万单位", "未付"):
        assert text in told
    for form, start in (("pdf", b"%PDF-"), ("csv", b"invoice,"), ("html", b"<!doctype"), ("json", b"{")):
        file = tmp_path / f"x.{form}"
        await invoice(api, "download", made["id"], "--format", form, "--lang", "zh", "--to", str(file))
        assert file.read_bytes().startswith(start)
    note = ["credit-note", made["id"], "--reason", "too slow", "--line", "0=0.5 USD", "--key", "k", "--json"]
    [credited] = json.loads(await invoice(api, *note))
    assert (credited["net"], credited["tax"], credited["amount"]) == (500_000, 65_000, 570_000)
    assert json.loads(await invoice(api, *note)) == [credited]
    await invoice(api, "download", made["id"], "--credit-note", credited["id"], "--to", str(tmp_path / "note.pdf"))
    assert (tmp_path / "note.pdf").read_bytes().startswith(b"%PDF")
    assert "2.820000 USD" in await invoice(api, "pay", made["id"], "--reference", "bank 1")
    shown = json.loads(await invoice(api, "show", made["id"], "--json"))
    assert (shown["status"], shown["left"], shown["paid"], shown["credited"]) == ("paid", 0, 2_820_000, 570_000)


@pytest.mark.parametrize(
    "words",
    [
        ("close",),
        ("show", "inv_none"),
        ("download", "inv_none", "--format", "docx"),
        ("show", "inv_none", "--lang", "fr"),
        ("profile", "--tax-percent", "1.234"),
        ("profile", "--tax-percent", "101"),
        ("profile", "--lang", "fr"),
        ("pay", "inv_none", "--reference", "x"),
    ],
)
async def test_what_makes_no_sense_is_refused(api, words):
    code, said = await argosy(api, "invoice", *words)
    assert code == 1, said
    assert said.startswith("argosy: ")
