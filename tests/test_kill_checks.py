"""The checks of the random kills see what they are there to see."""

from types import SimpleNamespace
from typing import Any

from bench.kill_load import Asked
from bench.kills import Seen, one_row_each, rows_are_rated, rows_say_what_responses_said, summary


def line(**changed: Any) -> Any:
    """A usage row of three words in and three out."""
    units = {"input": 3, "cached_input": 0, "output": 3, "training": 0}
    prices = dict.fromkeys(units, 2_000_000)
    row = {"id": "req_1", "units": units, "amounts": {**units, "input": 6, "output": 6}, "unit_prices": prices}
    return SimpleNamespace(**{**row, "discount": 0, "estimated": False, "total": 12, **changed})


def asked(**changed: Any) -> Asked:
    """The request that was told so."""
    known = {"stream": False, "leaves": False, "words": 3, "id": "req_1", "status": 200, "usage": (3, 3)}
    return Asked(**{**known, **changed})  # type: ignore[arg-type]


def problems(one: Asked, *lines: Any) -> int:
    seen = Seen([one], {each.id: each for each in lines})
    checks = (one_row_each, rows_say_what_responses_said, rows_are_rated)
    return sum(1 for check in checks for _ in check(None, seen))  # type: ignore[arg-type]


def test_what_is_right_is_not_complained_of():
    assert problems(asked(), line()) == 0
    assert problems(asked(usage=None), line(estimated=True)) == 0
    assert problems(asked(id=None, status=0, usage=None), line()) == 0, "it may have begun before the kill"
    assert problems(asked(status=503, usage=None)) == 0


def test_what_is_wrong_is():
    assert problems(asked()) == 1, "a response without a row"
    assert problems(asked(), line(), line(id="req_2")) == 1, "a row of nobody"
    assert problems(asked(status=503, usage=None), line()) == 1, "a refusal that costs"
    assert problems(asked(usage=(3, 2)), line()) == 1, "another count than was told"
    assert problems(asked(), line(estimated=True)) == 1, "an estimate of what was told"
    assert problems(asked(usage=None, words=2), line()) == 1, "more than there was"
    assert problems(asked(), line(amounts={"input": 7, "output": 6})) == 1, "another amount than by the price"


def test_the_summary_counts_violations():
    done = {"database": "sqlite", "killed": ["api"], "requests": 9, "complete": 5, "back_s": 1.5}
    found = summary([{**done, "violations": []}, {**done, "violations": ["x", "y"]}], 1, 300)
    assert (found["rounds"], found["violations"], found["killed"]) == (2, 2, {"sqlite api": 2})
