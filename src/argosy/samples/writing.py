"""Writes the sample files from the hand-written phrasing: `python -m argosy.samples.writing`.

The phrasing files hold sentences with slots. This fills the slots, works out the chart spec that each sentence asks
for, and deals names and periods so that nothing of the held-out rows can reach training. Output is deterministic.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from argosy.samples.names import CATEGORIES, PROVINCES, REGIONS, SALESPEOPLE, Name
from argosy.samples.table import COLUMNS, Sale, make_table
from argosy.samples.wording import Period, periods, written

ROOT = Path(__file__).parent / "retail"
_SLOT = re.compile(r"\{(\w+)\}")
_NAMES = {"r": REGIONS, "p": PROVINCES, "P": PROVINCES, "c": CATEGORIES, "C": CATEGORIES, "s": SALESPEOPLE}

# Which names and periods a split may use: dev never meets a held-out one, and `values` meets only held-out ones.
_POOLS = {
    "train": ("train",),
    "dev": ("train", "dev"),
    "dev_values": ("dev",),
    "values": ("held",),
    "paraphrase": ("train", "held"),
    "composition": ("train", "held"),
}
_REFILLED_DEV, _REFILLED_VALUES = 20, 55


@dataclass(frozen=True)
class Shape:
    """One hand-written sentence with slots, and the four fields of the spec that its words decide."""

    chart: str
    measure: str
    aggregate: str
    group_by: str
    text: str

    @property
    def slots(self) -> list[str]:
        """Return the slot names in the order of the sentence."""
        return _SLOT.findall(self.text)


@dataclass(frozen=True)
class Filled:
    """A sentence with its slots filled."""

    text: str
    names: tuple[Name, ...]
    period: Period | None


def _seeded(name: str) -> random.Random:
    return random.Random(name)  # noqa: S311 - the same rows every time is the point


def read_shapes(language: str) -> dict[str, list[Shape]]:
    """Read a phrasing file: section name → its sentences."""
    sections: dict[str, list[Shape]] = {}
    section: list[Shape] = []
    for line in (ROOT / "phrasing" / f"{language}.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            fields, _, text = line.partition(" | ")
            chart, measure, aggregate, group_by = fields.split()
            section.append(Shape(chart, measure, aggregate, group_by, text))
    return sections


class Dealer:
    """Deals names and periods to the slots of one split, the least used first, so that all are used evenly."""

    def __init__(self, language: str, split: str, table: list[Sale]) -> None:
        self._language, self._pools, self._table = language, _POOLS[split], table
        self._rng = _seeded(f"{language}/{split}")
        self._used: Counter[object] = Counter()

    def fill(self, shape: Shape) -> Filled:
        """Fill every slot with values that together match at least two rows of the table, so no chart is empty."""
        for _ in range(2000):
            drawn = {slot: self._draw(slot) for slot in shape.slots}
            names = tuple(v for v in drawn.values() if isinstance(v, Name))
            period = next((v for v in drawn.values() if isinstance(v, tuple)), None)
            if sum(_matches(sale, names, period) for sale in self._table) >= 2:
                self._used.update(drawn.values())
                words = {slot: self._spell(slot, value) for slot, value in drawn.items()}
                return Filled(shape.text.format(**words), names, period)
        raise ValueError(f"no rows of the table fit {shape.text!r}")

    def _draw(self, slot: str) -> Name | Period:
        options: list[Name | Period] = []
        if slot in _NAMES:
            options += [n for n in _NAMES[slot] if n.pool in self._pools]
        else:
            kind = slot.rstrip("0123456789")
            options += sorted({p for pool in self._pools for p in periods(kind, pool)})
        return min(options, key=lambda o: self._used[o] + self._rng.random() * 1.5)

    def _spell(self, slot: str, value: Name | Period) -> str:
        if not isinstance(value, Name):
            return written(slot, value, self._language)
        if slot == "P":
            return value.zh_full
        return value.spelled(self._language).lower() if slot == "c" else value.spelled(self._language)


def _matches(sale: Sale, names: tuple[Name, ...], period: Period | None) -> bool:
    inside = period is None or period[0] <= sale.day <= period[1]
    return inside and all(getattr(sale, n.column) == n for n in names)


def spec_json(shape: Shape, filled: Filled, language: str) -> str:
    """Return the answer: seven fields, compact, filters in the order of the table's columns."""
    order = sorted(filled.names, key=lambda n: COLUMNS.index(n.column))
    start, end = filled.period or (None, None)
    spec = {
        "chart": shape.chart,
        "measure": shape.measure,
        "aggregate": shape.aggregate,
        "group_by": shape.group_by,
        "filters": {n.column: n.spelled(language) for n in order},
        "start": _iso(start),
        "end": _iso(end),
    }
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _split_rows(language: str, split: str, shapes: list[Shape], table: list[Sale]) -> list[tuple[str, str]]:
    dealer = Dealer(language, split, table)
    filled = [(shape, dealer.fill(shape)) for shape in shapes]
    return [(f.text, spec_json(shape, f, language)) for shape, f in filled]


def make_rows(language: str, table: list[Sale]) -> dict[str, list[tuple[str, str]]]:
    """Return split → (request, spec) pairs. `values` and a third of `dev` refill sentences of training."""
    shapes = read_shapes(language)
    refillable = [s for s in shapes["train"] if s.slots]
    _seeded(f"{language}/refill").shuffle(refillable)
    dev_shapes = refillable[:_REFILLED_DEV]
    value_shapes = refillable[-_REFILLED_VALUES:]
    rows = {s: _split_rows(language, s, shapes[s], table) for s in ("train", "dev", "paraphrase", "composition")}
    rows["dev"] += _split_rows(language, "dev_values", dev_shapes, table)
    rows["values"] = _split_rows(language, "values", value_shapes, table)
    _seeded(f"{language}/order").shuffle(rows["train"])
    return rows


def _write_jsonl(path: Path, system: str, rows: list[tuple[str, str]]) -> None:
    lines = []
    for request, answer in rows:
        turns = (("system", system), ("user", request), ("assistant", answer))
        conversation = {"messages": [{"role": role, "content": content} for role, content in turns]}
        lines.append(json.dumps(conversation, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _write_table(path: Path, table: list[Sale], language: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sale.cells(language) for sale in table)


def _demo_rows(language: str) -> list[tuple[str, str]]:
    lines = (ROOT / "phrasing" / f"demo_{language}.txt").read_text("utf-8").splitlines()
    pairs = (line.split(" | ") for line in lines)
    return [(request, answer) for request, answer in pairs]


def write_all(root: Path = ROOT) -> None:
    """Write the tables and every split of both languages below `root`."""
    table = make_table()
    for language in ("en", "zh"):
        folder = root / language
        folder.mkdir(parents=True, exist_ok=True)
        system = (ROOT / "phrasing" / f"system_{language}.txt").read_text("utf-8").strip()
        _write_table(folder / "table.csv", table, language)
        for split, rows in make_rows(language, table).items():
            _write_jsonl(folder / f"{split}.jsonl", system, rows)
        _write_jsonl(folder / "demo.jsonl", system, _demo_rows(language))


if __name__ == "__main__":
    write_all()
