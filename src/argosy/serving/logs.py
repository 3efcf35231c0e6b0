"""What engines wrote: one file a model, in the home."""

import os
from pathlib import Path

_LINE_BYTES = 400  # more than most lines have; only as much of the file's end is read


def engine_log(home: Path, model: str) -> Path:
    """The file that all engines of a model write to."""
    return home / "logs" / f"engine-{model}.log"


def last_lines(home: Path, model: str, count: int) -> list[str]:
    """At most ``count`` lines from the end of the model's log; none if no engine of it ever ran here."""
    try:
        with open(engine_log(home, model), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - count * _LINE_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[1 if start and len(lines) > 1 else 0 :][-count:]
