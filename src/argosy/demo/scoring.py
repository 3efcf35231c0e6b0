"""From answers to scores: each way of asking, each third, each field; and tuned against base on the same requests."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from argosy.demo.asking import Answer, Question
from argosy.demo.task import FIELDS, Task
from argosy.evals import Comparison, Grade, Score, compare, grade_object
from argosy.samples import HELD_OUT, Row


@dataclass(frozen=True)
class Way:
    """One way of asking: which model, and with what help."""

    name: str
    tuned: bool
    constrained: bool
    examples: bool

    def question(self, task: Task, model: str, row: Row) -> Question:
        """The request of a row, asked this way."""
        system, user = row.prompt
        middle = task.examples() if self.examples else []
        return Question(model, [system, *middle, user], task.schema if self.constrained else None)


BASE_WAYS = (
    Way("base_free_zero_shot", tuned=False, constrained=False, examples=False),
    Way("base_free_three_examples", tuned=False, constrained=False, examples=True),
    Way("base_schema_zero_shot", tuned=False, constrained=True, examples=False),
    Way("base_schema_three_examples", tuned=False, constrained=True, examples=True),
)
TUNED = Way("tuned_free", tuned=True, constrained=False, examples=False)
TUNED_SCHEMA = Way("tuned_schema", tuned=True, constrained=True, examples=False)


@dataclass(frozen=True)
class Graded:
    """One held-out request, answered one way."""

    row: Row
    answer: Answer
    grade: Grade


@dataclass(frozen=True)
class Scores:
    """All figures of one way of asking, in one language."""

    way: Way
    graded: Sequence[Graded]

    @property
    def exact(self) -> Score:
        """The strict score: all seven fields, and nothing but JSON."""
        return _score(item.grade.exact for item in self.graded)

    @property
    def executed(self) -> Score:
        """The same result when drawn from the table, however it was written."""
        return _score(bool(item.grade.executed) for item in self.graded)

    @property
    def parsed(self) -> Score:
        """A JSON object anywhere in the answer."""
        return _score(item.grade.parsed for item in self.graded)

    def third(self, split: str) -> Score:
        """The strict score on values, paraphrase or composition."""
        return _score(item.grade.exact for item in self.graded if item.row.split == split)

    def field(self, name: str) -> Score:
        """One field apart, read leniently."""
        return _score(item.grade.fields[name] for item in self.graded)

    def outcomes(self) -> dict[str, bool]:
        """Request to strict outcome, for pairing."""
        return {item.row.request: item.grade.exact for item in self.graded}


def grade(task: Task, way: Way, rows: Sequence[Row], answers: Sequence[Answer]) -> Scores:
    """Grade answers given in the order of ``rows``."""
    graded = [
        Graded(row, answer, grade_object(json.loads(row.answer), answer.text, FIELDS, task.same))
        for row, answer in zip(rows, answers, strict=True)
    ]
    return Scores(way, graded)


def against(base: Scores, tuned: Scores) -> Comparison:
    """Tuned against base on the requests that both answered."""
    before, after = base.outcomes(), tuned.outcomes()
    shared = [request for request in before if request in after]
    return compare([before[request] for request in shared], [after[request] for request in shared])


def strongest(scores: Sequence[Scores]) -> Scores:
    """The way of asking the base that scores highest: what is to be beaten. Ties go to the one with most help."""
    return max(reversed(scores), key=lambda one: one.exact.share)


def score_document(score: Score) -> dict[str, Any]:
    """A score with its 95% interval, for report.json."""
    interval = score.interval()
    return {
        "passed": score.passed,
        "total": score.total,
        "share": round(score.share, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }


def scores_document(scores: Scores) -> dict[str, Any]:
    """All figures of one way of asking, for report.json."""
    return {
        "way": scores.way.name,
        "exact": score_document(scores.exact),
        "executed": score_document(scores.executed),
        "parsed": score_document(scores.parsed),
        "thirds": {split: score_document(scores.third(split)) for split in HELD_OUT},
        "fields": {name: score_document(scores.field(name)) for name in FIELDS},
        "errors": sum(bool(item.answer.error) for item in scores.graded),
    }


def comparison_document(against_way: str, found: Comparison) -> dict[str, Any]:
    """A paired comparison, for report.json."""
    return {
        "against": against_way,
        "items": found.before.total,
        "before": round(found.before.share, 4),
        "after": round(found.after.share, 4),
        "difference": round(found.difference, 4),
        "low": round(found.interval.low, 4),
        "high": round(found.interval.high, 4),
        "wins": found.test.wins,
        "losses": found.test.losses,
        "p_one_sided": found.test.one_sided,
        "p_two_sided": found.test.two_sided,
        "verdict": found.verdict,
    }


def _score(passed: Iterable[bool]) -> Score:
    outcomes = list(passed)
    return Score(sum(outcomes), len(outcomes))
