"""Getting a model's weights: each source in turn, until one delivers exactly the file that the card pins."""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from argosy.catalog.model_card import FileSource, HubSource, ModelCard, WeightsFile
from argosy.catalog.model_card import Source as CardSource
from argosy.catalog.sources import Source, copies, sources_of
from argosy.core import OutOfSpace, UpstreamFailed
from argosy.runtime import publish

_SCRATCH, _PART = ".pull-", ".part-"


@dataclass(frozen=True)
class Progress:
    """How far a pull is. ``total_bytes`` is None while it cannot be known."""

    message: str
    done_bytes: int = 0
    total_bytes: int | None = None


def pull(
    card: ModelCard, home: Path, progress: Callable[[Progress], None], environment: Mapping[str, str] = os.environ
) -> Path:
    """The verified weights below ``home/models/<name>``, fetched unless they are there. Repeating it is cheap.

    Returns the file that the card pins, or the folder ``parts`` with the files that it pins. A file appears whole and
    checked, or not at all, whatever happens; two pulls at once share one download. ``environment`` may name a hub
    mirror (``HF_ENDPOINT``), a token for it (``HF_TOKEN``), and a folder to look in first (``ARGOSY_MODELS_PATH``).
    Raises Invalid for a card that pins nothing, OutOfSpace, or UpstreamFailed with what each source said.
    """
    pinned, folder = card.pinned(), home / "models" / card.name
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, progress):
        if isinstance(pinned, WeightsFile):
            _tidy(folder, [pinned])
            return _pull_file(card, pinned, folder, progress, environment)
        parts = folder / "parts"
        parts.mkdir(exist_ok=True)
        _check_space(parts, sum(file.size_bytes for file in pinned.files if not (parts / file.path).exists()))
        files = [WeightsFile(file.path, "", file.size_bytes, file.sha256) for file in pinned.files]
        _tidy(parts, files)
        for file in files:
            _pull_file(_of_part(card, file), file, parts, progress, environment)
        return parts


def _of_part(card: ModelCard, file: WeightsFile) -> ModelCard:
    """The card as if it pinned this file only."""
    sources = [_source_of_part(source, file.name) for source in card.sources]
    return msgspec.structs.replace(card, parts=None, sources=sources, file=file)


def _source_of_part(source: CardSource, path: str) -> CardSource:
    if isinstance(source, FileSource):
        return FileSource(f"{source.path}/{path}")
    assert isinstance(source, HubSource)  # the card was checked
    return msgspec.structs.replace(source, path=path)


def _pull_file(
    card: ModelCard,
    file: WeightsFile,
    folder: Path,
    progress: Callable[[Progress], None],
    environment: Mapping[str, str],
) -> Path:
    target = folder / file.name
    if target.exists():
        progress(Progress(f"Checking {file.name}"))
        if _is_right(target, file):
            return target
        progress(Progress(f"{file.name} is damaged; getting it again"))
        target.unlink()
    with _disk_errors(folder, _part(folder, file)):
        _fetch_any(card, file, target, progress, environment)
    return target


def _part(folder: Path, file: WeightsFile) -> Path:
    """Where a download grows, and is found again after a cut. All sources deliver the same bytes, so all share it."""
    return folder / f"{_PART}{file.sha256[:16]}"


def _tidy(folder: Path, files: list[WeightsFile]) -> None:
    """Take away what processes left that were killed; nobody else is here now. The beginnings of ``files`` stay."""
    for leftover in folder.glob(f"{_SCRATCH}*"):
        shutil.rmtree(leftover)
    kept = {_part(folder, file) for file in files}
    for leftover in folder.glob(f"{_PART}*"):
        if leftover not in kept:
            leftover.unlink()


def _fetch_any(
    card: ModelCard,
    file: WeightsFile,
    target: Path,
    progress: Callable[[Progress], None],
    environment: Mapping[str, str],
) -> None:
    failures = []
    sources = sources_of(card, file, environment)
    for place, source in enumerate(sources, start=1):
        try:
            _fetch(source, file, target, progress)
            return
        except UpstreamFailed as error:
            # A disk that something else filled meanwhile makes pip fail in ways of its own; say what it really was.
            _check_space(target.parent, file.size_bytes * copies(source))
            failures.append(error.message)
            if place < len(sources):
                progress(Progress(f"{error.message} Trying {sources[place].label}"))
    raise UpstreamFailed(
        f"No source delivered {card.name}. {' '.join(failures)} Connect to the internet, or put {file.name} "
        "into a folder and name that folder in ARGOSY_MODELS_PATH.",
        code="model_unavailable",
    )


def _fetch(source: Source, file: WeightsFile, target: Path, progress: Callable[[Progress], None]) -> None:
    part = _part(target.parent, file)
    have = part.stat().st_size if source.resumes and part.exists() else 0
    _check_space(target.parent, file.size_bytes * copies(source) - have)
    progress(Progress(f"Getting {file.name} from {source.label}", have, file.size_bytes))
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=target.parent, ignore_cleanup_errors=True) as scratch:
        path = part if source.resumes else Path(scratch) / file.name
        source.fetch(
            path,
            lambda done: progress(Progress(f"Getting {file.name} from {source.label}", done, file.size_bytes)),
        )
        if _is_right(path, file):
            return publish(path, target)
        path.unlink()
    if have:
        progress(Progress(f"What was left of an earlier download of {file.name} was damaged; getting it all again"))
        return _fetch(source, file, target, progress)
    raise UpstreamFailed(
        f"The file from {source.label} is not the one on the model's card, so it was refused.", code="wrong_digest"
    )


def _is_right(path: Path, file: WeightsFile) -> bool:
    if path.stat().st_size != file.size_bytes:
        return False
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _check_space(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise _no_space(f"{needed_bytes / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free")


@contextmanager
def _disk_errors(folder: Path, part: Path) -> Iterator[None]:
    """Turn the system's "no space left" into ours, wherever in the block it comes up, and give back what was taken."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)
            raise _no_space(
                f"it filled up during the download, {shutil.disk_usage(folder).free / 1e6:,.0f} MB free"
            ) from error
        raise


def _no_space(reason: str) -> OutOfSpace:
    return OutOfSpace(
        f"There is not enough room on the disk that holds Argosy's home: {reason}. Free some, or set ARGOSY_HOME to a "
        "folder on a larger disk, and try again.",
        code="disk_full",
    )


@contextmanager
def _alone(folder: Path, progress: Callable[[Progress], None]) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go if this process dies."""
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(Progress("Waiting for another process that is getting the same model"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
