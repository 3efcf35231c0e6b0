"""The task that the demonstration teaches: chart requests about the retail table, in one language."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from argosy.assistants.charts import Chart, ChartSpec, Table, answer_to_chart, json_schema, same_result
from argosy.core import Invalid
from argosy.samples import HELD_OUT, Language, Row, few_shot, held_out, rows, table_path, train_file

FIELDS = ("chart", "measure", "aggregate", "group_by", "filters", "start", "end")
LANGUAGE_NAMES: Mapping[str, str] = {"en": "English", "zh": "中文"}


@dataclass(frozen=True)
class Task:
    """Training rows, held-out rows and the table of one language."""

    language: Language

    @cached_property
    def table(self) -> Table:
        """The retail table, opened once."""
        return Table.open(table_path(self.language))

    @cached_property
    def held_out(self) -> list[Row]:
        """The whole held-out set: three thirds."""
        return held_out(self.language)

    @cached_property
    def drawn(self) -> list[Row]:
        """The requests that are drawn in the story; no model has seen them."""
        return rows(self.language, "demo")

    @cached_property
    def training(self) -> bytes:
        """The training file, as it is uploaded."""
        return train_file(self.language).read_bytes()

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer, with the table's own columns and names."""
        return json_schema(self.table)

    def examples(self) -> list[dict[str, str]]:
        """Three training rows as turns of a conversation."""
        return few_shot(self.language, 3)

    def same(self, expected: Mapping[str, Any], answered: Mapping[str, Any]) -> bool:
        """Whether two specs select the same rows of the table and draw them the same way. ValueError if one cannot."""
        try:
            one, other = (ChartSpec.parse(json.dumps(spec, ensure_ascii=False)) for spec in (expected, answered))
            return bool(same_result(one, other, self.table))
        except Invalid as problem:
            raise ValueError(problem.message) from problem

    def draw(self, answer: str, title: str) -> Chart:
        """The chart that an answer describes. Raises Invalid when it describes none."""
        return answer_to_chart(answer, self.table, self.language, title)


def spread(items: Sequence[Row], count: int) -> list[Row]:
    """``count`` rows, evenly from each third and evenly within it; all of them for 0 or when there are no more.

    The same rows in every run, and stated in the report: nobody picks them by looking at answers.
    """
    if count == 0 or count >= len(items):
        return list(items)
    thirds = [[row for row in items if row.split == split] for split in HELD_OUT]
    shares = [count // 3 + (place < count % 3) for place in range(3)]
    return [
        third[place * len(third) // share]
        for third, share in zip(thirds, shares, strict=True)
        for place in range(min(share, len(third)))
    ]
