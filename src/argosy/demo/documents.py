"""What the story knows, as report.json has it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import argosy
from argosy.demo import bill as billing
from argosy.demo.asking import Answer
from argosy.demo.drawing import Drawn
from argosy.demo.following import Followed
from argosy.demo.machine import machine
from argosy.demo.platform import STARTER
from argosy.demo.scoring import Scores, comparison_document, scores_document
from argosy.demo.task import Task
from argosy.evals import Comparison
from argosy.samples import Row


@dataclass
class LanguageStory:
    """One language's part, filled step by step."""

    task: Task
    base_rows: Sequence[Row] = ()
    tuned_rows: Sequence[Row] = ()
    base: Sequence[Scores] = ()
    job: Followed = field(default_factory=lambda: Followed(""))
    first_answer: Answer | None = None
    tuned: Scores | None = None
    comparisons: list[tuple[str, Comparison]] = field(default_factory=list)
    strongest: str = ""
    """The way of asking the base that scored highest, which the verdict is about."""

    @property
    def comparison(self) -> Comparison:
        """Tuned against the strongest base."""
        return dict(self.comparisons)[self.strongest]


@dataclass
class Told:
    """What has happened so far."""

    started_at: int = field(default_factory=lambda: int(time.time()))
    steps: list[tuple[str, float]] = field(default_factory=list)
    """Each step's name and seconds."""
    used: list[billing.Used] = field(default_factory=list)
    """What every response and job said it used."""
    languages: dict[str, LanguageStory] = field(default_factory=dict)
    drawn: list[Drawn] = field(default_factory=list)


def story_document(story: Told, bill: billing.Bill, chart_files: Sequence[str]) -> dict[str, Any]:
    """The whole report. ``failures`` says in plain words why the demonstration does not pass, if it does not."""
    failures = _failures(story, bill)
    return {
        "argosy": argosy.__version__,
        "base": STARTER,
        "started_at": story.started_at,
        "seconds": round(sum(seconds for _, seconds in story.steps), 1),
        "machine": machine(),
        "passed": not failures,
        "failures": failures,
        "steps": [{"name": name, "seconds": round(seconds, 2)} for name, seconds in story.steps],
        "languages": {language: _language(part) for language, part in story.languages.items()},
        "drawn": [one.document(file) for one, file in zip(story.drawn, chart_files, strict=True)],
        "bill": billing.document(bill),
    }


def _language(part: LanguageStory) -> dict[str, Any]:
    scores = [*part.base, *([part.tuned] if part.tuned else [])]
    return {
        "training_rows": len(part.task.training.splitlines()),
        "held_out_rows": len(part.task.held_out),
        "base_rows": len(part.base_rows),
        "tuned_rows": len(part.tuned_rows),
        "scores": [scores_document(one) for one in scores],
        "comparisons": [comparison_document(name, found) for name, found in part.comparisons],
        "strongest_base": part.strongest,
        "verdict": part.comparison.verdict,
        "job": _job(part.job),
    }


def _job(job: Followed) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "model": job.model,
        "trained_tokens": job.trained_tokens,
        "hyperparameters": job.hyperparameters,
        "reached_s": {status: round(seconds, 2) for status, seconds in job.reached.items()},
        "phases_s": {phase: round(seconds, 2) for phase, seconds in job.phases.items()},
        "first_answer_s": round(job.first_answer_s, 2),
        "curve": [{"step": one.step, "loss": one.loss, "tokens_per_s": one.tokens_per_s} for one in job.curve],
    }


def _failures(story: Told, bill: billing.Bill) -> list[str]:
    failures = [
        f"{language}: tuned against base is {part.comparison.verdict}, not better (see the comparison in the report)"
        for language, part in story.languages.items()
        if part.comparison.verdict != "better"
    ]
    if not bill.adds_up:
        failures.append(
            f"the bill does not add up: the responses' usage costs {bill.expected} micro-units, the ledger has "
            f"{bill.posted}, and {len(bill.differing)} requests differ (report.json names them)"
        )
    return failures
