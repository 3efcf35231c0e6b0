"""Reads the sample rows back as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

Language = Literal["en", "zh"]
Split = Literal["train", "dev", "values", "paraphrase", "composition", "demo"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
HELD_OUT: tuple[Split, ...] = ("values", "paraphrase", "composition")

_ROOT = Path(__file__).parent / "retail"


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str

    def as_dict(self) -> dict[str, str]:
        """Return the message as the chat API wants it."""
        return {"role": self.role, "content": self.content}


class _Line(msgspec.Struct, frozen=True):
    messages: list[Message]


@dataclass(frozen=True)
class Row:
    """One labelled request. `answer` is the expected chart spec as compact JSON."""

    system: str
    request: str
    answer: str
    split: Split
    language: Language

    @property
    def prompt(self) -> list[dict[str, str]]:
        """Return what a model is shown: the system prompt and the request."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.request}]


def split_file(language: Language, split: Split) -> Path:
    """Return the JSONL file of a split: one `{"messages": [system, user, assistant]}` a line."""
    return _ROOT / language / f"{split}.jsonl"


def train_file(language: Language) -> Path:
    """Return the training file, ready to upload."""
    return split_file(language, "train")


def table_path(language: Language) -> Path:
    """Return the retail table as CSV: date, region, province, category, salesperson, sales, profit, orders."""
    return _ROOT / language / "table.csv"


def rows(language: Language, split: Split) -> list[Row]:
    """Return the labelled rows of a split, in the order of the file."""
    lines = split_file(language, split).read_bytes().splitlines()
    conversations = [msgspec.json.decode(line, type=_Line).messages for line in lines]
    return [Row(s.content, u.content, a.content, split, language) for s, u, a in conversations]


def held_out(language: Language) -> list[Row]:
    """Return the three held-out thirds, one after the other: values, paraphrase, composition."""
    return [row for split in HELD_OUT for row in rows(language, split)]


def system_prompt(language: Language) -> str:
    """Return the system prompt that every row of a language shares."""
    return rows(language, "demo")[0].system


def few_shot(language: Language, n: int = 3) -> list[dict[str, str]]:
    """Return n training rows as user and assistant turns, for asking a base model with examples.

    The rows are the first of each chart kind, so that three examples show three kinds. n is 1 to 5.
    """
    by_chart: dict[str, Row] = {}
    for row in rows(language, "train"):
        by_chart.setdefault(msgspec.json.decode(row.answer)["chart"], row)
    if not 1 <= n <= len(by_chart):
        raise ValueError(f"n must be 1 to {len(by_chart)}, one example for each chart kind; got {n}")
    return [
        turn
        for row in list(by_chart.values())[:n]
        for turn in ({"role": "user", "content": row.request}, {"role": "assistant", "content": row.answer})
    ]
