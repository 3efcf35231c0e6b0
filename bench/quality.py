"""Quality and time of fine-tuning, on a whole held-out set: the base asked in four ways, tuned models of several seeds.

    python bench/quality.py en --jobs 3 --to out/bench/english.json          starts a platform of its own
    python bench/quality.py en --url http://127.0.0.1:8080 --key sk-...      uses one that runs

Every job is timed from the request that creates it to the first answer of its model.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAI

from argosy.demo import following
from argosy.demo.asking import Answer, Question, ask_all
from argosy.demo.following import Followed
from argosy.demo.machine import machine
from argosy.demo.platform import STARTER, OwnPlatform, fresh_home
from argosy.demo.scoring import (
    BASE_WAYS,
    TUNED,
    TUNED_SCHEMA,
    Scores,
    Way,
    against,
    comparison_document,
    grade,
    scores_document,
    strongest,
)
from argosy.demo.task import FIELDS, Task, spread
from argosy.samples import HELD_OUT, LANGUAGES, Row


@dataclass(frozen=True)
class Reached:
    """A platform that answers at ``url``."""

    url: str
    key: str

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=300)

    def async_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=300)


def ask(platform: Reached, questions: Sequence[Question]) -> list[Answer]:
    async def asking() -> list[Answer]:
        async with platform.async_client() as client:
            return await ask_all(client, questions)

    return asyncio.run(asking())


def scored(platform: Reached, task: Task, way: Way, model: str, rows: Sequence[Row]) -> Scores:
    started = time.monotonic()
    found = grade(task, way, rows, ask(platform, [way.question(task, model, row) for row in rows]))
    say(f"{task.language} {way.name}: {found.exact.passed}/{found.exact.total} in {time.monotonic() - started:.0f} s")
    return found


def tuned(platform: Reached, task: Task, seed: int) -> Followed:
    """One job, timed to its model's first answer."""
    client = platform.client()
    file_id = following.upload(client, task)
    created = time.monotonic()
    job = following.follow(client, following.create(client, file_id, seed), created, lambda status, step: None)
    (first,) = ask(platform, [TUNED.question(task, job.model, task.drawn[0])])
    job.first_answer_s = time.monotonic() - created
    if first.error:
        raise SystemExit(f"{job.model} did not answer when its job had succeeded: {first.error}")
    following.complete_curve(client, job)
    say(f"{task.language} seed {seed}: first answer after {job.first_answer_s:.1f} s {job.phases}")
    return job


def measure(platform: Reached, task: Task, jobs: int, seeds_scored: int, base_sample: int) -> dict[str, Any]:
    """All figures: every job is timed, the models of the first ``seeds_scored`` are scored."""
    rows = spread(task.held_out, base_sample)
    base = [scored(platform, task, way, STARTER, rows) for way in BASE_WAYS]
    found, timed = [], []
    for seed in range(1, jobs + 1):
        timed.append(job := tuned(platform, task, seed))
        if seed > seeds_scored:
            continue
        scores = [scored(platform, task, way, job.model, task.held_out) for way in (TUNED, TUNED_SCHEMA)]
        found.append((job, scores))
    best = strongest(base)
    return {
        "language": task.language,
        "machine": machine(),
        "held_out_rows": len(task.held_out),
        "base_rows": len(rows),
        "base": [scores_document(one) for one in base],
        "tuned": [
            {
                "seed": seed,
                "job": asdict(job),
                "scores": [scores_document(one) for one in scores],
                "comparison": comparison_document(best.way.name, against(best, scores[0])),
            }
            for seed, (job, scores) in enumerate(found, 1)
        ],
        "medians": medians([scores[0] for _, scores in found]),
        "medians_with_schema": medians([scores[1] for _, scores in found]),
        "first_answer_s": times(timed),
    }


def medians(all_scores: Sequence[Scores]) -> dict[str, Any]:
    """The median over the seeds of every share."""
    return {
        "exact": statistics.median(one.exact.share for one in all_scores),
        "executed": statistics.median(one.executed.share for one in all_scores),
        "thirds": {split: statistics.median(one.third(split).share for one in all_scores) for split in HELD_OUT},
        "fields": {name: statistics.median(one.field(name).share for one in all_scores) for name in FIELDS},
    }


def times(jobs: Sequence[Followed]) -> dict[str, Any]:
    """Job created → first answer, in seconds, and where the time went."""
    phases = sorted({phase for job in jobs for phase in job.phases})
    return {
        "median": statistics.median(job.first_answer_s for job in jobs),
        "all": [job.first_answer_s for job in jobs],
        "phases_median": {name: statistics.median(job.phases.get(name, 0.0) for job in jobs) for name in phases},
        "reached_median": {
            status: statistics.median(job.reached[status] for job in jobs if status in job.reached)
            for status in ("queued", "running", "succeeded")
            if any(status in job.reached for job in jobs)
        },
    }


@contextmanager
def platform_of(url: str, key: str, home: Path) -> Iterator[Reached]:
    """The platform that was named, or one that is started and stopped."""
    if url:
        yield Reached(url.rstrip("/"), key)
        return
    with OwnPlatform(fresh_home(home)) as own:
        own.wait(say)
        yield Reached(own.url, own.key)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=LANGUAGES)
    parser.add_argument("--url", default="", help="a running platform; default: start one")
    parser.add_argument("--key", default="", help="its key")
    parser.add_argument("--home", type=Path, default=Path("out/bench/home"))
    parser.add_argument("--jobs", type=int, default=3, help="fine-tuning jobs, each with a seed of its own")
    parser.add_argument(
        "--score", type=int, default=3, help="score the models of this many seeds; the others are timed"
    )
    parser.add_argument("--base-sample", type=int, default=0, help="ask the base this many rows in each way; 0: all")
    parser.add_argument("--to", type=Path, default=Path("out/bench/quality.json"))
    chosen = parser.parse_args()
    with platform_of(chosen.url, chosen.key, chosen.home) as platform:
        figures = measure(platform, Task(chosen.language), chosen.jobs, chosen.score, chosen.base_sample)
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n")
    say(f"written to {chosen.to}")


if __name__ == "__main__":
    main()
