"""What is asked, and how much of it."""

from collections import Counter

import pytest

from argosy.demo.scoring import BASE_WAYS
from argosy.demo.task import FIELDS, Task, spread
from argosy.samples import LANGUAGES, Language


@pytest.mark.parametrize("count", [3, 30, 31, 90, 165, 0, 999])
def test_a_sample_is_spread_over_the_thirds_and_has_no_row_twice(count: int) -> None:
    rows = spread(Task("en").held_out, count)
    thirds = Counter(row.split for row in rows)
    assert len({row.request for row in rows}) == len(rows) == (count if 0 < count < 165 else 165)
    assert max(thirds.values()) - min(thirds.values()) <= 1


def test_the_smaller_sample_lies_within_the_larger() -> None:
    large = spread(Task("zh").held_out, 90)
    assert {row.request for row in spread(large, 30)} <= {row.request for row in large}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_is_a_spec_that_means_itself(language: Language) -> None:
    task = Task(language)
    spec = {"chart": "bar", "measure": "sales", "aggregate": "sum", "group_by": "region", "filters": {}}
    spec |= {"start": None, "end": None}
    assert list(spec) == list(FIELDS)
    assert task.same(spec, spec)
    assert not task.same(spec, spec | {"measure": "profit"})
    with pytest.raises(ValueError, match="chart"):
        task.same(spec, {"chart": "bar"})


def test_the_ways_of_asking_differ_in_help_only() -> None:
    task = Task("en")
    row = task.held_out[0]
    asked = [way.question(task, "m", row) for way in BASE_WAYS]
    assert [len(one.messages) for one in asked] == [2, 8, 2, 8]
    assert [one.schema is None for one in asked] == [True, True, False, False]
    assert all(one.messages[0] == row.prompt[0] and one.messages[-1] == row.prompt[1] for one in asked)
