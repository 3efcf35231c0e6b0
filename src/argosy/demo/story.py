"""The story in seven steps: start, ask the base, tune, ask again, draw, pay, report.

Everything that happens to the platform happens over its public API. The figures are kept in one document, report.json.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from openai import APIError
from rich.console import Console

from argosy.core import format_money
from argosy.demo import books, following
from argosy.demo.asking import Answer, Question, ask_all
from argosy.demo.bill import Bill, Used, check
from argosy.demo.display import Display
from argosy.demo.documents import LanguageStory, Told, story_document
from argosy.demo.drawing import draw, write_charts
from argosy.demo.options import DemoOptions
from argosy.demo.platform import STARTER, OwnPlatform, PlatformFailed, fresh_home
from argosy.demo.report import chance, duration, percent, write_html, write_json
from argosy.demo.scoring import BASE_WAYS, TUNED, Scores, Way, against, grade, strongest
from argosy.demo.task import LANGUAGE_NAMES, Task, spread
from argosy.samples import LANGUAGES, Language, Row

SEED = 1
_INTERRUPTED = 130  # What a shell reports for a command that Ctrl-C ended.


@dataclass
class Story:
    """The steps, and what they have found so far in ``told``."""

    options: DemoOptions
    platform: OwnPlatform
    display: Display
    told: Told = field(default_factory=Told)
    opening: books.Opening = field(default_factory=books.Opening)

    def tell(self) -> dict[str, Any]:
        """All seven steps; the report's document."""
        with self._step("Start the platform", "启动平台"):
            self._start()
        with self._step("Ask the base model", "先问原模型"):
            for language in self.options.languages:
                self._ask_base(LanguageStory(Task(cast(Language, language))))
        with self._step("Tune on 100 rows", "用 100 条样本微调"):
            for story in self.told.languages.values():
                self._tune(story)
        with self._step("Ask the tuned model", "再问微调后的模型"):
            for story in self.told.languages.values():
                self._ask_tuned(story)
        with self._step("Draw what it never saw", "画出没见过的问题"):
            self._draw()
        with self._step("Check the bill", "核对账单"):
            bill = self._pay()
        with self._step("Write the report", "写出报告"):
            return self._report(bill)

    def _start(self) -> None:
        with self.display.state(STARTER) as show:
            self.platform.wait(show)
        self.display.note(f"[green]✓[/] {STARTER} answers at {self.platform.url}/v1")
        self.opening = books.opening(self.platform.client())

    def _ask_base(self, story: LanguageStory) -> None:
        story.tuned_rows = spread(story.task.held_out, self.options.tuned_sample)
        story.base_rows = spread(story.tuned_rows, self.options.base_sample)
        self.told.languages[story.task.language] = story
        story.base = self._score(story, BASE_WAYS, STARTER, story.base_rows)
        self._show_scores(story.base)

    def _tune(self, story: LanguageStory) -> None:
        client, name = self.platform.client(), LANGUAGE_NAMES[story.task.language]
        file_id = following.upload(client, story.task)
        created = time.monotonic()
        job_id = following.create(client, file_id, SEED)
        with self.display.training(f"{name} {job_id}") as show:
            story.job = following.follow(client, job_id, created, show)
        first = TUNED.question(story.task, story.job.model, story.task.drawn[0])
        story.first_answer = self._ask(f"{name}: first answer", [first])[0]
        story.job.first_answer_s = time.monotonic() - created
        following.complete_curve(client, story.job)
        self.told.used.append(Used(job_id, STARTER, training=story.job.trained_tokens))
        took = duration(story.job.first_answer_s)
        self.display.note(f"[green]✓[/] {story.job.model}, job created → first answer in [bold]{took}[/]")

    def _ask_tuned(self, story: LanguageStory) -> None:
        (story.tuned,) = self._score(story, [TUNED], story.job.model, story.tuned_rows)
        story.comparisons = [(base.way.name, against(base, story.tuned)) for base in story.base]
        story.strongest = strongest(story.base).way.name
        self._show_scores([story.tuned])
        found = story.comparison
        self.display.note(
            f"{percent(found.before.share)} → {percent(found.after.share)} on the same {found.before.total} requests: "
            f"{found.interval.low * 100:+.0f} to {found.interval.high * 100:+.0f} points (95%), "
            f"exact McNemar {chance(found.test.two_sided)}: [bold]{found.verdict}[/]"
        )

    def _draw(self) -> None:
        for story in self.told.languages.values():
            rows = story.task.drawn
            questions = [TUNED.question(story.task, story.job.model, row) for row in rows]
            answers = self._ask(f"{LANGUAGE_NAMES[story.task.language]}: requests to draw", questions)
            self.told.drawn += [draw(story.task, row, answer) for row, answer in zip(rows, answers, strict=True)]
        for one in self.told.drawn:
            mark = "[green]✓[/]" if one.right else "[yellow]≠[/]"
            self.display.note(f"{mark} {one.request}" + (f"  ({one.problem})" if one.problem else ""))

    def _pay(self) -> Bill:
        client = self.platform.client()
        prices = books.published_prices(client, STARTER)
        costing = {one.id for one in self.told.used if one.amount(prices)}
        posted = books.posted_since(client, self.opening.last_entry, costing)
        bill = check(self.told.used, posted, prices)
        bill.rows, bill.invoice, bill.owed_before = (
            books.usage_rows(client, 6),
            books.close_invoice(client),
            self.opening.owed,
        )
        sign = "[green]=[/]" if bill.adds_up else "[bold red]≠[/]"
        self.display.note(
            f"{len(self.told.used)} requests and jobs: recomputed {format_money(bill.expected, bill.currency)} {sign} "
            f"ledger {format_money(bill.posted, bill.currency)}"
        )
        return bill

    def _report(self, bill: Bill) -> dict[str, Any]:
        out = self.options.out
        out.mkdir(parents=True, exist_ok=True)
        files = write_charts(self.told.drawn, out / "charts")
        document = story_document(self.told, bill, files)
        write_json(document, out)
        page = write_html(document, [one.data_url for one in self.told.drawn], out)
        self.display.note(f"[bold]{page}[/] and report.json beside it")
        return document

    def _score(self, story: LanguageStory, ways: Sequence[Way], model: str, rows: Sequence[Row]) -> list[Scores]:
        """Ask all rows in all ways at once, so that the engine is never half idle between two ways."""
        label = f"{LANGUAGE_NAMES[story.task.language]}: {model}"
        answers = self._ask(label, [way.question(story.task, model, row) for way in ways for row in rows])
        return [
            grade(story.task, way, rows, answers[place * len(rows) : (place + 1) * len(rows)])
            for place, way in enumerate(ways)
        ]

    def _ask(self, label: str, questions: Sequence[Question]) -> list[Answer]:
        """Ask, and keep for the bill what every response says it used."""

        async def asking(advance: Any) -> list[Answer]:
            async with self.platform.async_client() as client:
                return await ask_all(client, questions, lambda answer: advance())

        with self.display.count(label, len(questions)) as advance:
            answers = asyncio.run(asking(advance))
        self.told.used += [
            Used(one.request_id, one.model, one.usage.prompt, one.usage.cached, one.usage.completion) for one in answers
        ]
        for problem in {one.error for one in answers if one.error}:
            self.display.note(f"[red]{problem}[/]")
        return answers

    def _show_scores(self, all_scores: Sequence[Scores]) -> None:
        rows = []
        for scores in all_scores:
            exact, interval = scores.exact, scores.exact.interval()
            share = f"{percent(exact.share)}  [{interval.low * 100:.0f}, {interval.high * 100:.0f}]"
            way = scores.way.name.replace("_", " ")
            rows.append([way, f"{exact.passed}/{exact.total}", share, percent(scores.executed.share)])
        self.display.table(["", "exact", "95% interval", "same chart"], rows)

    @contextlib.contextmanager
    def _step(self, english: str, chinese: str) -> Iterator[None]:
        self.display.step(f"{english} · {chinese}")
        started = time.monotonic()
        yield
        self.told.steps.append((f"{english} {chinese}", time.monotonic() - started))


def run(options: DemoOptions) -> int:
    """Tell the story. 0 when every tuned model is significantly better than the strongest base and the bill adds up."""
    display = Display(Console(stderr=options.json))
    if not options.languages or not set(options.languages) <= set(LANGUAGES):
        display.problem(f"languages are {' and '.join(LANGUAGES)}, not {', '.join(options.languages) or 'none'}")
        return 2
    try:
        with _ended_like_ctrl_c():
            home = options.home or fresh_home(options.out / "home")
            with OwnPlatform(home) as platform:
                document = Story(options, platform, display).tell()
    except KeyboardInterrupt:
        display.problem("stopped; the platform is stopped too")
        return _INTERRUPTED
    except (PlatformFailed, following.JobFailed, APIError, OSError) as problem:
        display.problem(str(problem))
        return 1
    if options.json:
        print(json.dumps(document, ensure_ascii=False), file=sys.stdout)
    for failing in document["failures"]:
        display.problem(failing)
    return 0 if document["passed"] else 1


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM is handled as Ctrl-C is, so that the platform is stopped then, too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
