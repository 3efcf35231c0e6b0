"""Exchanged values agree between question and answer, whatever the rows; and closed lists stay closed."""

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tuning.trainers.conftest import chart_rows

from argosy.tuning.trainers.augment import Augmenter, exchange_values, invent, recombine, shift_years

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=2, max_size=8)


def row(question: str, answer: Any, system: str = "JSON") -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)},
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=2, max_size=6), st.integers(0, 5))
def test_question_and_answer_never_disagree(values: list[tuple[str, str, str]], epoch: int) -> None:
    """Every string of a changed answer stands in its question; the answer keeps its shape."""
    rows = [row(f"{one} sold {two} | {three}", {"who": one, "what": {"name": two}}) for one, two, three in values]
    for before, after in zip(rows, Augmenter(rows, 1, ["harbour", "lantern"]).present(epoch), strict=True):
        answer = json.loads(after[2]["content"])
        assert answer.keys() == {"who", "what"}
        assert answer["who"].casefold() in after[1]["content"].casefold() or after == before
        assert answer["what"]["name"].casefold() in after[1]["content"].casefold() or after == before
        assert after[0] == before[0]


@settings(max_examples=100, deadline=None)
@given(st.integers(1992, 2040), st.integers(-2, 8))
def test_years_move_together_and_february_ends_where_it_ends(year: int, shift: int) -> None:
    leap = year % 4 == 0
    before = row(f"sales of February {year}", {"start": f"{year}-02-01", "end": f"{year}-02-{29 if leap else 28}"})
    after = shift_years(before, shift)
    moved = year + shift
    assert after[1]["content"] == f"sales of February {moved}"
    assert json.loads(after[2]["content"])["end"] == f"{moved}-02-{29 if moved % 4 == 0 else 28}"


def test_same_seed_same_rows() -> None:
    rows = chart_rows(12)
    assert Augmenter(rows, 7).present(3) == Augmenter(rows, 7).present(3)
    assert Augmenter(rows, 7).present(3) != Augmenter(rows, 7).present(4)
    assert Augmenter(rows, 7).present(3) != Augmenter(rows, 8).present(3)


def test_choices_of_the_system_prompt_are_never_exchanged() -> None:
    system = "kind is one of line, bar, pie"
    rows = [row(f"draw {n} as a {kind}", {"kind": kind, "name": n}, system)
            for n, kind in [("Rome", "bar"), ("Oslo", "pie"), ("Lima", "line"), ("Bonn", "bar")]]  # fmt: skip
    augmenter = Augmenter(rows, 0)
    for epoch in range(20):
        for before, after in zip(rows, augmenter.present(epoch), strict=True):
            assert json.loads(after[2]["content"])["kind"] == json.loads(before[2]["content"])["kind"]
    assert any(json.loads(r[2]["content"])["name"] != "Rome" for e in range(20) for r in augmenter.present(e)[:1])


def test_answers_that_are_not_json_stay() -> None:
    rows = [row("Is Rome in Italy in 2019?", "Yes, Rome is."), row("And Oslo?", "No, 2019.")]
    augmenter = Augmenter(rows, 0)
    assert augmenter.share == 0
    assert augmenter.present(1) == rows


def test_letter_case_follows_the_question() -> None:
    before = row("only baby care in hebei", {"what": "Baby Care"})
    after = exchange_values(before, {"Baby Care": "Office Toys"})
    assert after[1]["content"] == "only office toys in hebei"
    assert json.loads(after[2]["content"]) == {"what": "Office Toys"}


def test_new_names_look_like_names() -> None:
    assert recombine("Grace Liu", "Linda Zhao") == "Grace Zhao"
    assert recombine("王芳", "李娜") == "王娜"
    assert recombine("Hebei", "Yunnan") == "Hebei"


def test_made_up_values_are_new_and_in_the_manner_of_the_old_ones():
    chance = random.Random(1)
    provinces = {invent("Hebei", "Sichuan", [], chance) for _ in range(20)}
    assert provinces == {"Hechuan"}
    names = {invent("Grace Liu", "Linda Zhao", ["harbour"], chance) for _ in range(60)}
    assert any("Harbour" in name for name in names)
    assert all(len(name.split(" ")) == 2 and name.istitle() for name in names)
    chinese = {invent("王芳", "李娜", ["harbour"], chance) for _ in range(60)}
    assert len(chinese) > 20
    assert all(len(name) == 2 and not name.isascii() for name in chinese)


def test_the_common_characters_are_all_there():
    drawn = {
        invent("王芳", "李娜", [], random.Random(seed)) for seed in range(2000)
    }  # decoding raises where one is missing
    assert len(set("".join(drawn))) > 1000
