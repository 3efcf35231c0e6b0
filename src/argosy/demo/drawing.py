"""Requests the tuned model has never seen, drawn: request → answer → spec → SQL → chart."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core import ArgosyError
from argosy.demo.asking import Answer
from argosy.demo.task import Task
from argosy.evals import exact_match, whole_object
from argosy.samples import Row


@dataclass(frozen=True)
class Drawn:
    """One drawn request. Without a picture, ``problem`` says why."""

    language: str
    request: str
    answer: str
    right: bool
    """The answer equals the label."""
    sql: str = ""
    params: tuple[Any, ...] = ()
    rows: int = 0
    png: bytes = b""
    problem: str = ""

    def document(self, file: str) -> dict[str, Any]:
        """For report.json; the picture is named, not embedded."""
        return {
            "language": self.language,
            "request": self.request,
            "answer": self.answer,
            "right": self.right,
            "sql": self.sql,
            "params": [str(value) for value in self.params],
            "rows": self.rows,
            "file": file if self.png else None,
            "problem": self.problem or None,
        }

    @property
    def data_url(self) -> str:
        """The picture as it is embedded in report.html."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def draw(task: Task, row: Row, answer: Answer) -> Drawn:
    """Draw what the model answered. A wrong answer is drawn too, and marked; one that cannot be drawn says why."""
    right = exact_match(whole_object(row.answer) or {}, answer.text)
    shown = Drawn(task.language, row.request, answer.text, right)
    if answer.error:
        return Drawn(**(vars(shown) | {"problem": answer.error}))
    try:
        chart = task.draw(answer.text, row.request)
    except ArgosyError as problem:
        return Drawn(**(vars(shown) | {"problem": problem.message}))
    parts = {"sql": chart.sql, "params": tuple(chart.params), "rows": len(chart.rows), "png": chart.png}
    return Drawn(**(vars(shown) | parts))


def write_charts(drawn: list[Drawn], folder: Path) -> list[str]:
    """Write each picture into ``folder``; the files' names relative to its parent, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{folder.name}/{number}-{one.language}.png" for number, one in enumerate(drawn, 1)]
    for name, one in zip(names, drawn, strict=True):
        if one.png:
            (folder.parent / name).write_bytes(one.png)
    return names
