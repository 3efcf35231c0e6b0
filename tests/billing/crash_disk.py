"""A disk that remembers: what was asked of it, in order, and what a crash at any moment may have left of that.

Only what was synced is promised. Of what was not, each write may be lost, whole, torn, or be zeros where the size was
kept and the data were not; a later one may be there and an earlier one not; an entry of a folder that was not synced
may be missing, or not yet be gone.
"""

import itertools
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

Disk = Mapping[str, bytes | None]
"""Content by path below the root; None is a folder."""
_ALL_SUBSETS_OF = 4
_EVERY_BYTE_OF = 48
_TORN_OF = 3
"""So many of the last writes that were not synced are torn; the earlier ones were, at an earlier moment."""


@dataclass(frozen=True)
class Op:
    """One thing that happened: to a path, or, with ``path`` empty, something that the workload tells of."""

    kind: str
    path: str = ""
    at: int = 0
    data: bytes = b""
    told: Any = None


@dataclass
class Recorder:
    """Stands between the code under test and `os`; every call is really done, too."""

    root: Path
    log: list[Op] = field(default_factory=list)
    short_writes: set[int] = field(default_factory=set)
    """Numbers of the writes of which the disk takes only ten bytes."""
    failing_syncs: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._paths: dict[int, str] = {}
        self._sizes: dict[str, int] = {}
        self._writes = self._syncs = 0

    def tell(self, kind: str, told: Any) -> None:
        """Note something of the workload in its place among what was done to the disk."""
        with self._lock:
            self.log.append(Op(kind, told=told))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the functions of `os` that change files."""
        for name in ("open", "close", "write", "ftruncate", "fsync", "fdatasync", "mkdir", "unlink", "rmdir"):
            own, real = getattr(self, f"_{name}"), getattr(os, name)
            patch.setattr(os, name, partial(own, real))

    def _below(self, path: Any, dir_fd: int | None = None) -> str | None:
        base = self._paths.get(dir_fd) if dir_fd is not None else None
        if base is not None:
            return str(Path(base) / os.fsdecode(path))
        if not isinstance(path, str | os.PathLike):
            return None
        try:
            return str(Path(path).relative_to(self.root))
        except ValueError:
            return None

    def _note(self, kind: str, path: str | None, at: int = 0, data: bytes = b"") -> None:
        if path is not None and Path(path).name != "lock":
            self.log.append(Op(kind, path, at, data))

    def _open(self, real: Any, path: Any, flags: int, *given: Any, dir_fd: int | None = None) -> int:
        with self._lock:
            below = self._below(path, dir_fd)
            new = below is not None and flags & os.O_CREAT and not os.path.lexists(self.root / below)
            descriptor: int = real(path, flags, *given, dir_fd=dir_fd)
            if below is not None:
                self._paths[descriptor] = below
                if new:
                    self._sizes[below] = 0
                    self._note("add", below)
            return descriptor

    def _close(self, real: Any, descriptor: int) -> None:
        with self._lock:
            self._paths.pop(descriptor, None)
            real(descriptor)

    def _write(self, real: Any, descriptor: int, data: Any) -> int:
        with self._lock:
            path = self._paths.get(descriptor)
            if path is None:
                return int(real(descriptor, data))
            self._writes += 1
            done = int(real(descriptor, data[:10] if self._writes in self.short_writes else data))
            self._note("write", path, self._sizes[path], bytes(data[:done]))
            self._sizes[path] += done
            return done

    def _ftruncate(self, real: Any, descriptor: int, size: int) -> None:
        with self._lock:
            real(descriptor, size)
            if (path := self._paths.get(descriptor)) is not None:
                self._sizes[path] = size
                self._note("truncate", path, size)

    def _fsync(self, real: Any, descriptor: int) -> None:
        with self._lock:
            path, began = self._paths.get(descriptor), len(self.log)
            self._syncs += path is not None
            if path is not None and self._syncs in self.failing_syncs:
                raise OSError(5, "Input/output error")
        real(descriptor)
        with self._lock:
            self._note("synced", path, began)

    _fdatasync = _fsync

    def _mkdir(self, real: Any, path: Any, *given: Any, **named: Any) -> None:
        with self._lock:
            real(path, *given, **named)
            self._note("add folder", self._below(path, named.get("dir_fd")))

    def _unlink(self, real: Any, path: Any, *, dir_fd: int | None = None) -> None:
        with self._lock:
            real(path, dir_fd=dir_fd)
            self._note("remove", self._below(path, dir_fd))

    def _rmdir(self, real: Any, path: Any, *, dir_fd: int | None = None) -> None:
        with self._lock:
            real(path, dir_fd=dir_fd)
            self._note("remove", self._below(path, dir_fd))


class Crash:
    """The moment after the first ``moment`` things of the log."""

    def __init__(self, log: list[Op], moment: int) -> None:
        self._log = log[:moment]
        self._synced: dict[str, int] = {}
        """For each path, up to where in the log what was done to it is safe."""
        for op in self._log:
            if op.kind == "synced":
                self._synced[op.path] = max(op.at, self._synced.get(op.path, 0))

    def killed(self) -> Iterator[Disk]:
        """What ``kill -9`` leaves: all that was done; of a write that was going on, any beginning."""
        yield self._build(lambda _: True, {})
        if self._log and self._log[-1].kind == "write":
            last, number = self._log[-1], len(self._log) - 1
            for cut in cuts(len(last.data)):
                yield self._build(lambda _: True, {number: last.data[:cut]})

    def power_cut(self) -> Iterator[Disk]:
        """What the power's going away may leave."""
        pending = [n for n, op in enumerate(self._log) if self._is_pending(n, op)]
        for kept in some_subsets(pending):
            yield self._build(lambda n, kept=kept: n in kept or n not in pending, {})  # type: ignore[misc]
        for torn in [n for n in pending if self._log[n].kind == "write"][-_TORN_OF:]:
            data = self._log[torn].data
            others = {n for n in pending if self._log[n].kind != "write"}
            before = {n for n in pending if n < torn}
            for cut in cuts(len(data)):
                zeros = data[:cut] + bytes(len(data) - cut)
                for rest, left in ((others | before, data[:cut]), (others, zeros), (set(pending), zeros)):
                    kept = rest | {torn}
                    yield self._build(lambda n, kept=kept: n in kept or n not in pending, {torn: left})  # type: ignore[misc]

    def safe(self) -> Disk:
        """What is promised."""
        return self._build(lambda n: not self._is_pending(n, self._log[n]), {})

    def _is_pending(self, number: int, op: Op) -> bool:
        if op.kind in ("write", "truncate"):
            return number >= self._synced.get(op.path, 0)
        if op.kind in ("add", "add folder", "remove"):
            return number >= self._synced.get(str(Path(op.path).parent), 0)
        return False

    def _build(self, kept: Any, changed: Mapping[int, bytes]) -> Disk:
        content: dict[str, bytearray] = {}
        entries: dict[str, bool] = {}
        for number, op in enumerate(self._log):
            if op.kind in ("add", "write", "truncate") and op.path not in content:
                content[op.path] = bytearray()
            if not kept(number):
                continue
            if op.kind in ("add", "add folder"):
                entries[op.path] = op.kind == "add folder"
            elif op.kind == "remove":
                entries.pop(op.path, None)
            elif op.kind == "truncate":
                del content[op.path][op.at :]
            elif op.kind == "write":
                data, file = changed.get(number, op.data), content[op.path]
                file.extend(bytes(max(0, op.at + len(data) - len(file))))
                file[op.at : op.at + len(data)] = data
        disk: dict[str, bytes | None] = {}
        for path, is_folder in sorted(entries.items()):
            parents = [str(parent) for parent in Path(path).parents if str(parent) != "."]
            if all(entries.get(parent) for parent in parents):
                disk[path] = None if is_folder else bytes(content[path])
        return disk


def cuts(size: int) -> list[int]:
    """Where a write of ``size`` bytes may be torn: everywhere, or for a long one where it matters and in between."""
    if size <= _EVERY_BYTE_OF:
        return list(range(size))
    return sorted({0, 1, 4, 8, 11, 12, 13, size // 3, size // 2, size - 13, size - 1})


def some_subsets(pending: list[int]) -> Iterator[frozenset[int]]:
    """All subsets of a few; of many, each beginning and end, each one alone, and all but each one."""
    if len(pending) <= _ALL_SUBSETS_OF:
        for size in range(len(pending) + 1):
            yield from map(frozenset, itertools.combinations(pending, size))
        return
    whole = frozenset(pending)
    found = {frozenset(pending[:n]) for n in range(len(pending) + 1)}
    found |= {frozenset(pending[n:]) for n in range(len(pending))}
    found |= {frozenset({n}) for n in pending} | {whole - {n} for n in pending}
    yield from sorted(found, key=sorted)


def write(disk: Disk, root: Path) -> None:
    """Make it real."""
    for path, content in sorted(disk.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)
