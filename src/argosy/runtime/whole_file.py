"""Files that appear whole or not at all, whatever happens to the process or the power."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path beside ``target`` to write to, which takes its place when the block ends, or is gone if it fails.

    What earlier processes left there when they were killed is taken away first.
    """
    _clear(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield temporary
        publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def publish(path: Path, target: Path) -> None:
    """Move a file to its place so that a power cut leaves it there whole, or not there."""
    _sync(path)
    os.replace(path, target)
    _sync(target.parent)


def _clear(target: Path) -> None:
    prefix = f".{target.name}."
    for leftover in target.parent.glob(f"{prefix}*"):
        pid = leftover.name.removeprefix(prefix)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            leftover.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
