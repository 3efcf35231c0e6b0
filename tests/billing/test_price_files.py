"""A price file is carried out whole or not at all, once more changes nothing, and its mistakes are told by line."""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy import billing
from argosy.billing import Terms, Tier
from argosy.billing.prices import import_prices, read_date, read_prices
from argosy.core import Invalid, now

SOON = now() + 86_400
TOML = f"""# our prices
[[prices]]
model = "ship"
currency = "USD"
input = 150_000
output = 600_000
tiers = [{{ above_prompt_tokens = 200_000, input = 300_000, cached_input = 150_000, output = 900_000 }}]

[[prices]]
model = "ship"
currency = "USD"
input = 100_000
cached_input = 50_000
output = 400_000
batch_discount = 40
effective_from = {datetime.fromtimestamp(SOON, UTC).isoformat().replace("+00:00", "Z")}

[[prices]]
kind = "cost"
provider = "openai"
model = "ship"
currency = "USD"
input = 90_000
output = 300_000
"""
CSV = f"""kind,provider,model,currency,input,cached_input,output,batch_discount,effective_from,tiers
,,ship,USD,150000,,600000,,,200000:300000:150000:900000
sale,,ship,USD,100000,50000,400000,40,{SOON},

cost,openai,ship,USD,90000,,300000,,,
"""
JSON = json.dumps(
    {
        "prices": [
            {
                "model": "ship", "currency": "USD", "input": 150_000, "output": 600_000,
                "tiers": [
                    {"above_prompt_tokens": 200_000, "input": 300_000, "cached_input": 150_000, "output": 900_000}
                ],
            },
            {
                "model": "ship", "currency": "USD", "input": 100_000, "cached_input": 50_000, "output": 400_000,
                "batch_discount": 40, "effective_from": SOON,
            },
            {
                "kind": "cost", "provider": "openai", "model": "ship", "currency": "USD", "input": 90_000,
                "output": 300_000,
            },
        ]
    },
    indent=1,
)  # fmt: skip
FILES = {"toml": TOML, "csv": CSV, "json": JSON}
TIER = Tier(200_000, 300_000, 150_000, 900_000)


def carry_out(database, form, text, currency=None):
    with database.write() as tx:
        return import_prices(tx, read_prices(text, form), currency)


def mistakes(form, text):
    with pytest.raises(Invalid) as refused:
        read_prices(text, form)
    assert refused.value.code == "invalid_price_file"
    return refused.value.details or [refused.value.message]


def test_the_three_forms_say_the_same():
    rows = [
        [(row.provider, row.model, row.terms, row.effective_from) for row in read_prices(FILES[f], f)] for f in FILES
    ]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0] == [
        ("", "ship", Terms("USD", 150_000, 150_000, 600_000, tiers=(TIER,)), None),
        ("", "ship", Terms("USD", 100_000, 50_000, 400_000, batch_discount=40), SOON),
        ("openai", "ship", Terms("USD", 90_000, 90_000, 300_000), None),
    ]
    assert [[row.line for row in read_prices(FILES[form], form)] for form in FILES] == [
        [2, 9, 18],
        [2, 3, 5],
        [3, 17, 26],
    ]


def test_each_form_is_carried_out_and_once_more_changes_nothing(database):
    made = carry_out(database, "toml", TOML)
    assert [step.action for step in made] == ["new", "changed", "new"]
    for form, text in FILES.items():
        again = carry_out(database, form, text)
        assert [(step.action, step.id) for step in again] == [("unchanged", step.id) for step in made]
    with database.read() as tx:
        assert len(billing.price_history(tx)) == 2
        assert billing.current_prices(tx)["ship"].tiers == (TIER,)
        assert billing.current_costs(tx)["openai", "ship"].input == 90_000


def test_what_only_the_books_refuse_is_told_by_line_too_and_nothing_is_left(database):
    with database.write() as tx:
        billing.ensure_price(tx, "boat", Terms("USD", 1, 1, 1), SOON)
    text = "model,currency,input,output,effective_from\nship,USD,1,1,\n" + (
        f"boat,USD,2,2,{SOON}\nship,USD,3,3,{now() - 100}\n"
    )
    with pytest.raises(Invalid) as refused, database.write() as tx:
        import_prices(tx, read_prices(text, "csv"))
    assert [line.split(":")[0] for line in refused.value.details] == ["line 3", "line 4"]
    assert "in the past" in refused.value.details[1]
    with database.read() as tx:
        assert [price.model for price in billing.price_history(tx)] == ["boat"]


def test_of_several_currencies_that_of_the_books_is_taken(database):
    text = "model,currency,input,output\nship,USD,1,1\nship,CNY,7,7\nboat,CNY,7,7\nboat,USD,2,2\n"
    with pytest.raises(Invalid) as refused:
        carry_out(database, "csv", text)
    assert refused.value.code == "currency_open"
    made = carry_out(database, "csv", text, "CNY")
    assert [(step.row.model, step.row.terms.input) for step in made] == [("ship", 7), ("boat", 7)]
    assert [step.action for step in carry_out(database, "csv", text)] == ["unchanged", "unchanged"]
    with pytest.raises(Invalid) as refused:
        carry_out(database, "csv", text, "USD")
    assert refused.value.code == "currency_mismatch"
    with pytest.raises(Invalid, match="line 3: 'raft' has a price in USD and none in CNY"):
        carry_out(database, "csv", "model,currency,input,output\nship,CNY,7,7\nraft,USD,1,1\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ship,USD,-5,1,", "negative"),
        ("ship,USD,NaN,1,", "no whole number"),
        ("ship,USD,inf,1,", "no whole number"),
        ("ship,USD,0.15,1,", "0.15 USD is 150000"),
        ("ship,USD,1e6,1,", "no whole number"),
        ("ship,USD,١٢,1,", "no whole number"),
        ("ship,USD,,1,", "input is missing"),
        ("ship,USD,1000000000001,1,", "more than a million"),
        ("ship,USD,9999999999999999999,1,", "more than a million"),
        ("ship,dollars,1,1,", "no currency"),
        ('"=HYPERLINK(""http://x"")",USD,1,1,', "formula"),
        ("@SUM(A1),USD,1,1,", "formula"),
        ("+ship,USD,1,1,", "formula"),
        ("ship,USD,=1+1,1,", "formula"),
        ("ship,USD,1,1,-2+3", "formula"),
        ("ship,USD,1,1,yesterday", "no date"),
        ("a b,USD,1,1,", "no name of a model"),
        (",USD,1,1,", "no name of a model"),
    ],
)
def test_a_mistake_is_told_with_its_line(line, reason):
    text = f"model,currency,input,output,effective_from\nboat,USD,1,1,\n{line}\nraft,USD,x,1,\n"
    found = mistakes("csv", text)
    assert found[0].startswith("line 3: ")
    assert reason in found[0]
    assert found[1].startswith("line 4: "), "all of them are told at once"


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        ("csv", "", "0"),
        ("csv", "model,currency,input,output\n", "0"),
        ("csv", "model,currency,input,output,colour\n", "line 1: unknown column 'colour'"),
        ("csv", "model,model\n", "stands twice"),
        ("csv", "model,currency,input,output\nship,USD,1\n", "line 2: 3 cells"),
        ("csv", "model,currency,input,output\nship,USD,1,1\nship,USD,1,1\n", "line 3: 'ship' has a price"),
        ("csv", "model,currency,input,output,provider\nship,USD,1,1,openai\n", "line 2: a cost names"),
        ("csv", "model,currency,input,output,kind\nship,USD,1,1,cost\n", "line 2: a cost names"),
        ("csv", "model,currency,input,output,kind\nship,USD,1,1,gift\n", "line 2: kind"),
        ("csv", "model,currency,input,output,tiers\nship,USD,1,1,5:1:1\n", "line 2: a tier is"),
        ("csv", "model,currency,input,output,tiers\nship,USD,1,1,5:1:1:1;5:2:2:2\n", "line 2: A price has at most"),
        ("toml", "[prices]\na = 1", "no [[prices]]"),
        ("toml", "[[prices]\n", "line 1"),
        ("toml", "\n[[prices]]\nmodel='a'\ncurrency='USD'\ninput=nan\noutput=1", "line 2: input is no whole number"),
        ("toml", "[[prices]]\nmodel='a'\ncurrency='USD'\ninput=true\noutput=1", "line 1: input is no whole number"),
        ("toml", "prices = [1]", "line 1: a price is an object"),
        ("json", "[", "no JSON file"),
        ("json", "7", "no list of prices"),
        ("json", '[{"model":"a","currency":"USD","input":NaN,"output":1}]', "NaN is no price"),
        ("json", '[{"model":"a",\n"currency":"USD","input":1.0,"output":1}]', "line 1: input is no whole number"),
        ("json", '[\n{"model":"a","model":"b"}]', "'model' stands twice"),
        ("json", '[{"model":["a"],"currency":"USD","input":1,"output":1}]', "line 1: model is no text"),
        ("json", '[\n\n{"modell":"a"}]', "line 3: unknown member 'modell'"),
        ("json", "[" * 100_000, "no JSON file"),
    ],
)
def test_what_is_no_price_file_is_refused_and_says_why(form, text, reason):
    assert reason in mistakes(form, text)[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["toml", "csv", "json"]), st.text(max_size=200))
def test_any_text_is_read_or_refused(form, text):
    with contextlib.suppress(Invalid):
        read_prices(text, form)


def test_dates_are_read_in_utc_unless_they_say_otherwise():
    for given_ in (
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-01-01T00:00:00Z",
        "2027-01-01T08:00:00+08:00",
        1798761600,
    ):
        assert read_date(given_) == 1798761600
    for bad in ("tomorrow", True, None, 1.5, "", "2027-13-01"):
        with pytest.raises(ValueError, match="date"):
            read_date(bad)


def test_prices_of_what_else_is_counted_are_read_in_every_form():
    line = "model,currency,input,output,measured\nship,USD,1,2,"
    toml = '[[prices]]\nmodel = "ship"\ncurrency = "USD"\ninput = 1\noutput = 2\nmeasured = { engine_seconds = 5 }\n'
    (written,), (said,) = (
        read_prices(line + "engine_seconds:5; storage_mib_hours:7\n", "csv"),
        read_prices(toml, "toml"),
    )
    assert written.terms.measured == {"engine_seconds": 5, "storage_mib_hours": 7}
    assert said.terms.measured == {"engine_seconds": 5}
    assert "meter:rate" in mistakes("csv", line + "engine_seconds=5\n")[0]
    assert "wishes" in mistakes("csv", line + "wishes:5\n")[0]
    assert "measured" in mistakes("toml", toml.replace("5 }", '"5" }'))[0]
