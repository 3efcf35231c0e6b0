"""The trainer's voice: records appended to progress.jsonl, one line each, whole or not at all."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from argosy.tuning.trainers.protocol import PROGRESS_FILE, Phase, Record


class Report:
    """Appends records. A line cut short by a crash of an earlier process is ended first."""

    def __init__(self, folder: Path) -> None:
        path = folder / PROGRESS_FILE
        if path.exists() and not (text := path.read_bytes()).endswith(b"\n") and text:
            path.write_bytes(text[: text.rfind(b"\n") + 1])
        self._file = path.open("ab", buffering=0)
        self._seconds: dict[str, float] = {}

    def send(self, record: Record) -> None:
        """Append one record."""
        self._file.write(msgspec.json.encode(record) + b"\n")

    @contextmanager
    def timed(self, name: Any) -> Iterator[None]:
        """Count the time of the block towards a phase."""
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds towards a phase."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def phases(self) -> None:
        """Send where the time went."""
        for name, seconds in self._seconds.items():
            self.send(Phase(name, round(seconds, 3)))  # type: ignore[arg-type]
