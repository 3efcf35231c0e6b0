"""Every line of a training file checked, and all that is wrong told at once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from argosy.core import Invalid
from argosy.datasets.formats import Message, RowProblem, read_row
from argosy.datasets.text import LINE_LIMIT_BYTES, SNIFF_BYTES, check_text, lines_of

ROWS_MIN = 10
"""A job needs at least as many rows."""
_SHOWN_MAX = 200


@dataclass(frozen=True)
class Problem:
    """Something wrong with a line, or with the whole file if ``line`` is 0."""

    line: int
    code: str
    message: str


@dataclass
class Findings:
    """Problems in the order of their lines: all are counted, the first 200 are kept."""

    shown: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, code: str, message: str) -> None:
        """One more."""
        self.count += 1
        if len(self.shown) < _SHOWN_MAX:
            self.shown.append(Problem(line, code, message))


@dataclass
class Report:
    """What a training file holds, and what is wrong with it."""

    rows: int = 0
    """Lines that are not blank, good or bad."""
    format: str = ""
    """"messages", "prompt-completion", "alpaca", "sharegpt", or "mixed"; empty if no row could be read."""
    problems: Findings = field(default_factory=Findings)
    """What keeps a job from starting."""
    warnings: Findings = field(default_factory=Findings)
    """What a job can live with, but its owner should know."""

    @property
    def valid(self) -> bool:
        """Whether a job may train on the file."""
        return self.problems.count == 0

    def to_json(self) -> dict[str, Any]:
        """The report as it is shown: at most 200 problems and warnings each, and how many there are of all."""
        return {
            "valid": self.valid,
            "rows": self.rows,
            "format": self.format or None,
            "problem_count": self.problems.count,
            "problems": [vars(problem) for problem in self.problems.shown],
            "warning_count": self.warnings.count,
            "warnings": [vars(warning) for warning in self.warnings.shown],
        }


def validate_sft(path: Path) -> Report:
    """Check every line of a supervised fine-tuning file.

    Never raises for what a file holds. Memory holds one row, and some bytes for every other.
    """
    report = Report()
    try:
        with open(path, "rb") as file:
            check_text(file.read(SNIFF_BYTES))
    except Invalid as error:
        report.problems.add(0, error.code, error.message)
        return report
    seen = _Seen()
    for number, line in lines_of(path):
        report.rows += 1
        try:
            name, messages = _read(line, is_first=report.rows == 1)
        except RowProblem as problem:
            report.problems.add(number, problem.code, problem.message)
            if problem.code == "json_array":
                return report
        else:
            report.format = name if report.format in ("", name) else "mixed"
            seen.compare(number, messages, report.warnings)
    if report.rows < ROWS_MIN:
        rows = "1 row" if report.rows == 1 else f"{report.rows} rows"
        report.problems.add(0, "too_few_rows", f"The file has {rows}; at least {ROWS_MIN} are needed.")
    return report


def canonical_rows(path: Path) -> Iterator[bytes]:
    """The rows of a file that was found valid, each as ``{"messages": [...]}`` and a line feed."""
    for place, (_, line) in enumerate(lines_of(path)):
        _, messages = _read(line, is_first=place == 0)
        yield msgspec.json.encode({"messages": messages}) + b"\n"


def _read(line: bytes | None, *, is_first: bool) -> tuple[str, list[Message]]:
    """The format and the messages of a line. Raises RowProblem."""
    if line is None:
        raise RowProblem("line_too_long", f"The line is longer than {LINE_LIMIT_BYTES:,} bytes.")
    if is_first and line.startswith(b"["):
        raise RowProblem("json_array", "The file is one JSON list. Write each of its objects on a line of its own.")
    try:
        row = msgspec.json.decode(line.decode())
    except UnicodeDecodeError:
        raise RowProblem(
            "not_utf8", "The line is not UTF-8 (it may be GBK or Latin-1). Save the file as UTF-8."
        ) from None
    except msgspec.DecodeError as error:
        raise RowProblem("malformed_json", f"The line is not valid JSON: {error}") from None
    except RecursionError:
        raise RowProblem("malformed_json", "The line is nested too deeply.") from None
    return read_row(row)


class _Seen:
    """What was asked and answered on earlier lines, by digest, to find rows that repeat or contradict each other."""

    def __init__(self) -> None:
        self._answers: dict[bytes, tuple[int, bytes]] = {}

    def compare(self, line: int, messages: list[Message], warnings: Findings) -> None:
        question, answer = _digest(messages[:-1]), _digest(messages[-1:])
        first, known = self._answers.setdefault(question, (line, answer))
        if first != line and known == answer:
            warnings.add(line, "repeated_row", f"The row is the same as the one on line {first}.")
        elif first != line:
            warnings.add(line, "contradicting_row", f"Line {first} asks the same and answers something else.")


def _digest(messages: list[Message]) -> bytes:
    return hashlib.sha256(msgspec.json.encode(messages)).digest()[:16]
