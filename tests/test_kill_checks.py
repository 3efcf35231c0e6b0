"""The checks of the random kills see what they are there to see."""

from types import SimpleNamespace
from typing import Any

from bench.kill_load import Asked
from bench.kills import (
    Seen,
    budgets_say_what_rows_say,
    nothing_is_held,
    one_row_each,
    rows_are_rated,
    rows_say_what_responses_said,
    summary,
)


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


def test_what_is_wrong_with_budgets_is_seen():
    def of(held: int, *spent: int) -> int:
        scopes = [("organization", "org"), ("key", "key_a")]
        kept = [
            SimpleNamespace(scope=scope, subject=subject, held=held, spent=each, allowed=20)
            for (scope, subject), each in zip(scopes, spent, strict=True)
        ]
        lines = {"req_1": line(key_id="key_a"), "req_2": line(key_id="key_b")}
        seen = Seen(lines=lines, funds=kept)  # type: ignore[arg-type]
        checks = (nothing_is_held, budgets_say_what_rows_say)
        return sum(1 for check in checks for _ in check(None, seen))  # type: ignore[arg-type]

    assert of(0, 24, 12) == 1, "the organization's is overdrawn by 4"
    assert of(0, 20, 12) == 1, "a row was not counted"
    assert of(0, 24, 24) == 3, "a row was counted against another key's, which is overdrawn then"
    assert of(5, 24, 12) == 3, "something is held of both"


def test_the_summary_counts_violations():
    done = {"database": "sqlite", "killed": ["api"], "requests": 9, "complete": 5, "refused": 1, "back_s": 1.5}
    found = summary([{**done, "violations": []}, {**done, "violations": ["x", "y"]}], 1, 300)
    assert (found["rounds"], found["violations"], found["killed"]) == (2, 2, {"sqlite api": 2})
