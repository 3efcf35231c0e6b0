"""Following a job: its curve, its times, its end."""

import time
from typing import Any

import pytest

from argosy.demo.following import Followed, JobFailed, Progress, complete_curve, follow

pytestmark = pytest.mark.usefixtures("unhurried")


def follow_one(paper: Any) -> tuple[Followed, list[tuple[str, Progress | None]]]:
    shown: list[tuple[str, Progress | None]] = []
    paper.jobs["ftjob-1"] = 0
    return follow(paper.client(), "ftjob-1", time.monotonic(), lambda *seen: shown.append(seen)), shown


def test_status_and_latest_step_are_shown_until_it_succeeds(paper: Any) -> None:
    found, shown = follow_one(paper)
    assert [status for status, _ in shown] == ["queued", "running"]
    assert shown[-1][1] == Progress(75, 75, pytest.approx(shown[-1][1].loss), 900.0, 0.0)  # type: ignore[union-attr]
    assert (found.model, found.trained_tokens) == ("ft:smollm2-135m-instruct:argosy:charts:1", 40_000)
    assert list(found.reached) == ["queued", "running", "succeeded"]


def test_all_pages_of_events_make_the_curve_and_phases_come_in_order(paper: Any) -> None:
    found = Followed("ftjob-1", phases={"stale": 1.0})
    complete_curve(paper.client(), found)
    assert [one.step for one in found.curve] == list(range(1, 76))
    assert list(found.phases) == ["import", "load", "train", "convert"]


def test_a_failed_job_gives_its_reason(paper: Any) -> None:
    paper.fail_jobs = True
    with pytest.raises(JobFailed, match="ftjob-1 failed: the trainer ran out of memory"):
        follow_one(paper)
