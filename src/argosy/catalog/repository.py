"""A model's files where its publisher put them: a repository of a hub, or a folder on this machine."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from argosy.catalog.sources import hub_base, hub_headers
from argosy.core import Forbidden, Invalid, NotFound, UpstreamFailed
from argosy.runtime import egress

_LISTING_MAX = 16 << 20
_TEXT_MAX = 64 << 20
"""More than the largest tokenizer has."""
_CHUNK = 1 << 22

Report = Callable[[int], None]


@dataclass(frozen=True)
class Entry:
    """One file."""

    path: str
    size_bytes: int
    sha256: str | None
    """Where the hub says it; all large files have it."""


class Repository(Protocol):
    """Files by their paths. All methods raise Invalid or UpstreamFailed."""

    name: str
    """What people call it: ``org/name``, or the folder."""
    licence_tag: str | None
    """What the publisher says its terms are, as the hub spells it."""

    def entries(self) -> dict[str, Entry]:
        """All files, by path."""

    def start(self, path: str, count: int) -> bytes:
        """The first bytes of a file."""

    def sha256(self, path: str) -> str:
        """A file's digest; reads all of it where nobody has said it."""

    def source(self, path: str | None) -> dict[str, Any]:
        """Where its files, or one of them, are pulled from, as a card has it."""


def read_json(repository: Repository, path: str) -> dict[str, Any]:
    """A small file. Raises Invalid if it is not there or is no JSON object."""
    entry = repository.entries().get(path)
    if entry is None or entry.size_bytes > _TEXT_MAX:
        raise Invalid(f"{repository.name} has no usable {path}.", code="file_missing", param="path")
    try:
        found = json.loads(repository.start(path, entry.size_bytes))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path} of {repository.name} is not JSON: {error}", code="file_damaged") from error
    if not isinstance(found, dict):
        raise Invalid(f"{path} of {repository.name} is no JSON object.", code="file_damaged")
    return found


class Folder:
    """A folder on this machine."""

    licence_tag: str | None = None

    def __init__(self, path: Path, report: Report) -> None:
        self._path, self.name, self._report = path, str(path), report
        self._entries = {
            str(file.relative_to(path)): Entry(str(file.relative_to(path)), file.stat().st_size, None)
            for file in sorted(path.iterdir())
            if file.is_file()
        }

    def entries(self) -> dict[str, Entry]:
        """All files."""
        return self._entries

    def start(self, path: str, count: int) -> bytes:
        """Read no more than is asked for."""
        with open(self._path / path, "rb") as file:
            return file.read(count)

    def sha256(self, path: str) -> str:
        """Of the whole file."""
        digest, done = hashlib.sha256(), 0
        with open(self._path / path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                self._report(done)
        return digest.hexdigest()

    def source(self, path: str | None) -> dict[str, Any]:
        """For a card."""
        return {"kind": "file", "path": str(self._path / path if path else self._path)}


class HubRepository:
    """A repository of the Hugging Face hub or a mirror, at the revision that its branch has now."""

    def __init__(self, name: str, revision: str, environment: Mapping[str, str]) -> None:
        """Ask the hub what there is. Raises NotFound, Forbidden, UpstreamFailed."""
        self.name, self._base = name, hub_base(environment)
        self._private = [urlsplit(self._base).hostname or ""] if environment.get("HF_ENDPOINT") else []
        self._headers = hub_headers(environment)  # of a gated one, everybody may read the list but not the files
        url = f"{self._base}/api/models/{name}/revision/{quote(revision, safe='')}?blobs=true"
        status, body = egress.fetch(url, self._headers, _LISTING_MAX, self._private)
        _check(name, status)
        try:
            said = json.loads(body)
            self._revision = str(said["sha"])
            self._gated = bool(said.get("gated"))
            card = said.get("cardData") or {}
            self.licence_tag = card.get("license") if isinstance(card.get("license"), str) else None
            self._entries = {entry.path: entry for entry in map(_entry, said["siblings"])}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UpstreamFailed(
                f"The hub's answer about {name} is not understood: {error}", code="bad_listing"
            ) from error

        if self._gated and not self._headers:
            _check(name, 403)

    def entries(self) -> dict[str, Entry]:
        """All files."""
        return self._entries

    def start(self, path: str, count: int) -> bytes:
        """Read no more than is asked for."""
        url = f"{self._base}/{self.name}/resolve/{self._revision}/{quote(path)}"
        return egress.first_bytes(url, count, self._private, self._headers)

    def sha256(self, path: str) -> str:
        """Of the whole file."""
        entry = self._entries[path]
        if entry.sha256:
            return entry.sha256
        if entry.size_bytes > _TEXT_MAX:
            raise Invalid(f"The hub does not say the digest of {path}, so it cannot be pinned.", code="no_digest")
        return hashlib.sha256(self.start(path, entry.size_bytes)).hexdigest()

    def source(self, path: str | None) -> dict[str, Any]:
        """For a card."""
        found = {"kind": "hf", "repository": self.name, "revision": self._revision, "gated": self._gated}
        return found if path is None else {**found, "path": path}


def _entry(said: dict[str, Any]) -> Entry:
    large = said.get("lfs") or {}
    return Entry(str(said["rfilename"]), int(said.get("size") or large.get("size") or 0), large.get("sha256"))


def _check(name: str, status: int) -> None:
    if status in (401, 403):
        raise Forbidden(
            f"The hub does not show '{name}' to this project: it is private or gated, or not there at all. Accept its "
            "terms on its page, make a token there that may read it, and store that with 'argosy hub-token set'.",
            code="repository_gated",
            param="path",
        )
    if status == 404:
        raise NotFound(f"The hub has no repository '{name}', or no such revision of it.", code="repository_not_found")
    if status != 200:
        raise UpstreamFailed(f"The hub answered {status} when asked for '{name}'. Try again later.", code="hub_failed")
