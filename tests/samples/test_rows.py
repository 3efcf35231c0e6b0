"""The sample rows are well formed, true to the table, and nothing held out is in training."""

import csv
import json
import re
from datetime import date
from difflib import SequenceMatcher

import pytest

from argosy.samples import HELD_OUT, LANGUAGES, few_shot, held_out, rows, system_prompt, table_path
from argosy.samples.names import CATEGORIES, PROVINCES, REGIONS, SALESPEOPLE

FIELDS = ["chart", "measure", "aggregate", "group_by", "filters", "start", "end"]
VALUES = {
    "chart": {"bar", "line", "pie", "area", "table"},
    "measure": {"sales", "profit", "orders"},
    "aggregate": {"sum", "avg", "max", "min"},
    "group_by": {"region", "province", "category", "salesperson", "month", "quarter", "year"},
}
NAMES = (*REGIONS, *PROVINCES, *CATEGORIES, *SALESPEOPLE)
SPELLINGS = sorted({x for n in NAMES for x in (n.en.lower(), n.zh, n.zh_full)}, key=len, reverse=True)
MONTHS = [date(2020, month, 1).strftime("%B").lower() for month in range(1, 13)]
DATE_WORDS = re.compile(
    r"\b(" + "|".join([*MONTHS, *(m[:3] for m in MONTHS), r"q\d", r"h\d", "first|second|third|fourth"]) + r")\b"
    r"|\d+(st|nd|rd|th)?|[一二三四五六七八九十]+(?=月|季度)|[上下]半年|第?#?季度"
)


def masked(request: str) -> str:
    """The sentence without its names and dates: what is left is its shape."""
    text = request.lower()
    for spelling in SPELLINGS:
        text = text.replace(spelling, "#")
    return re.sub(r"[#\s\-/年月日到至第份]*#[#\s\-/年月日到至第份]*", "#", DATE_WORDS.sub("#", text))


def normalised(request: str) -> str:
    return re.sub(r"\W", "", request.lower())


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
def table(language):
    with table_path(language).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_a_retail_table_of_four_years(table):
    assert len(table) >= 2000
    assert list(table[0]) == ["date", "region", "province", "category", "salesperson", "sales", "profit", "orders"]
    assert {row["date"][:4] for row in table} == {"2018", "2019", "2020", "2021"}
    losses = sum(row["profit"].startswith("-") for row in table)
    assert 0.02 < losses / len(table) < 0.15


def test_both_tables_hold_the_same_sales():
    numbers = []
    for language in LANGUAGES:
        with table_path(language).open(encoding="utf-8", newline="") as file:
            numbers.append([(r["date"], r["sales"], r["profit"], r["orders"]) for r in csv.DictReader(file)])
    assert numbers[0] == numbers[1]


def test_split_sizes(language):
    assert len(rows(language, "train")) == 100
    assert len(rows(language, "dev")) == 60
    assert all(len(rows(language, split)) >= 50 for split in HELD_OUT)
    assert len(held_out(language)) >= 150


@pytest.mark.parametrize("split", ["train", "dev", *HELD_OUT, "demo"])
def test_every_answer_is_a_valid_spec_that_matches_rows_of_the_table(language, split, table):
    for row in rows(language, split):
        spec = json.loads(row.answer)
        assert json.dumps(spec, ensure_ascii=False, separators=(",", ":")) == row.answer
        assert list(spec) == FIELDS
        assert all(spec[field] in allowed for field, allowed in VALUES.items()), row.answer
        assert spec["group_by"] not in spec["filters"], row.request
        start, end = spec["start"] or "2018-01-01", spec["end"] or "2021-12-31"
        assert date.fromisoformat(start) <= date.fromisoformat(end)
        hits = [r for r in table if start <= r["date"] <= end and spec["filters"].items() <= r.items()]
        assert hits, row.request


@pytest.mark.parametrize("split", ["train", "dev", *HELD_OUT, "demo"])
def test_every_filter_value_is_in_the_request(language, split):
    for row in rows(language, split):
        for value in json.loads(row.answer)["filters"].values():
            assert value.lower() in row.request.lower(), row.request


def test_the_system_prompt_is_the_same_everywhere(language):
    everywhere = {row.system for split in ("train", "dev", *HELD_OUT, "demo") for row in rows(language, split)}
    assert everywhere == {system_prompt(language)}


def test_no_request_occurs_twice(language):
    requests = [normalised(r.request) for s in ("train", "dev", *HELD_OUT, "demo") for r in rows(language, s)]
    assert len(set(requests)) == len(requests)


def test_training_has_many_sentence_shapes(language):
    assert len({masked(row.request) for row in rows(language, "train")}) >= 90
    assert len({masked(row.request) for row in rows(language, "paraphrase")}) >= 50


@pytest.mark.parametrize("split", ["paraphrase", "composition"])
def test_no_held_out_sentence_is_a_near_duplicate_after_masking_its_values(language, split):
    seen = [masked(row.request) for seen in ("train", "dev") for row in rows(language, seen)]
    for row in rows(language, split):
        shape = masked(row.request)
        nearest = max(seen, key=lambda s: SequenceMatcher(None, shape, s).ratio())
        assert SequenceMatcher(None, shape, nearest).ratio() < 0.88, (row.request, nearest)


def names_in(answers):
    return {value for answer in answers for value in json.loads(answer)["filters"].values()}


def periods_in(answers):
    return {(spec["start"], spec["end"]) for spec in map(json.loads, answers) if spec["start"]}


def test_values_rows_name_nothing_that_training_or_dev_has_shown(language):
    values = [row.answer for row in rows(language, "values")]
    for split in ("train", "dev"):
        shown = [row.answer for row in rows(language, split)]
        assert not names_in(values) & names_in(shown)
        assert not periods_in(values) & periods_in(shown)
    for name in names_in(values):
        assert not any(name.lower() in row.request.lower() for row in rows(language, "train"))


def test_names_kept_for_dev_are_in_no_held_out_row(language):
    kept = {n.spelled(language) for n in NAMES if n.pool == "dev"}
    assert not kept & names_in(row.answer for row in held_out(language))
    assert kept & names_in(row.answer for row in rows(language, "dev"))


def combination(answer):
    spec = json.loads(answer)
    return spec["chart"], spec["group_by"], frozenset(spec["filters"])


def test_composition_rows_combine_what_training_never_combines(language):
    seen = {combination(row.answer) for row in rows(language, "train")}
    assert not seen & {combination(row.answer) for row in rows(language, "composition")}


def test_training_shows_every_phenomenon_often_enough_to_learn(language):
    specs = [json.loads(row.answer) for row in rows(language, "train")]
    for field, allowed in VALUES.items():
        for value in allowed - {"sum"}:
            assert sum(spec[field] == value for spec in specs) >= 6, (field, value)
    assert {len(spec["filters"]) for spec in specs} == {0, 1, 2}
    assert sum(spec["start"] is None for spec in specs) >= 10


def test_the_reference_request_is_shown_only_in_the_demonstration():
    request = "华北地区2019年3-5月的销售额，用折线图来表示"
    assert request in [row.request for row in rows("zh", "demo")]
    for language in LANGUAGES:
        for split in ("train", "dev", *HELD_OUT):
            assert ("2019-03-01", "2019-05-31") not in periods_in(row.answer for row in rows(language, split))


def test_few_shot_examples_are_training_rows_of_different_chart_kinds(language):
    turns = few_shot(language)
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3
    assert len({json.loads(turn["content"])["chart"] for turn in turns[1::2]}) == 3
    assert {turn["content"] for turn in turns[::2]} <= {row.request for row in rows(language, "train")}
    with pytest.raises(ValueError, match="1 to 5"):
        few_shot(language, 6)
