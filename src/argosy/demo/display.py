"""What the user sees while it runs: live in a terminal, and plain lines where the output is a file or a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from argosy.demo.following import Progress as TrainingStep

_LINE_EVERY_S = 15.0


class Display:
    """Seven steps, and inside each a bar or a state. Nothing but this writes to the terminal."""

    def __init__(self, console: Console, steps: int = 7) -> None:
        self._console, self._steps, self._step = console, steps, 0

    def step(self, title: str) -> None:
        """Announce the next step."""
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step}/{self._steps}[/] [bold]{title}[/]")

    def note(self, text: str) -> None:
        """One line under the step."""
        self._console.print(f"    {text}", highlight=False, soft_wrap=True)

    def problem(self, text: str) -> None:
        """What went wrong, as the last thing the user reads."""
        self._console.print(f"\n[bold red]✗[/] {text}", highlight=False, soft_wrap=True)

    def table(self, heads: list[str], rows: list[list[str]]) -> None:
        """A small table."""
        shown = Table(*heads, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for row in rows:
            shown.add_row(*row)
        self._console.print(Padding(shown, (0, 0, 0, 4)))

    @contextmanager
    def state(self, label: str) -> Iterator[Callable[[str], None]]:
        """A spinner with a changing word; plain output gets a line for each change."""
        with self._progress(TextColumn("{task.fields[state]}", style="dim")) as progress:
            task = progress.add_task(label, total=None, state="")
            said = ""

            def show(state: str) -> None:
                nonlocal said
                progress.update(task, state=state)
                if state != said and not self._console.is_terminal:
                    self.note(f"{label}: {state}")
                said = state

            yield show

    @contextmanager
    def count(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar that fills one by one."""
        with self._progress(BarColumn(28), MofNCompleteColumn()) as progress:
            task, started = progress.add_task(label, total=total), time.monotonic()
            yield lambda: progress.advance(task)
        self.note(f"[green]✓[/] {label}: {total} in {time.monotonic() - started:.1f} s")

    @contextmanager
    def training(self, label: str) -> Iterator[Callable[[str, TrainingStep | None], None]]:
        """Loss, tokens a second and time left of a fine-tuning job."""
        with self._progress(BarColumn(28), TextColumn("{task.fields[facts]}", style="dim")) as progress:
            task, spoken = progress.add_task(label, total=None, facts=""), 0.0

            def show(status: str, step: TrainingStep | None) -> None:
                nonlocal spoken
                facts = _facts(status, step)
                progress.update(task, facts=facts)
                if step:
                    progress.update(task, total=step.total_steps, completed=step.step)
                if not self._console.is_terminal and time.monotonic() - spoken >= _LINE_EVERY_S:
                    self.note(f"{label}: {facts}")
                    spoken = time.monotonic()

            yield show

    def _progress(self, *columns: TextColumn | BarColumn | MofNCompleteColumn) -> Progress:
        head = SpinnerColumn(), TextColumn("{task.description}")
        shown = self._console.is_terminal
        return Progress(*head, *columns, TimeElapsedColumn(), console=self._console, transient=True, disable=not shown)


def _facts(status: str, step: TrainingStep | None) -> str:
    if status != "running" or step is None:
        return status.replace("_", " ")
    left = "" if step.eta_s is None else f" · {step.eta_s:.0f} s left"
    return f"step {step.step}/{step.total_steps} · loss {step.loss:.3f} · {step.tokens_per_s:.0f} tokens/s{left}"
