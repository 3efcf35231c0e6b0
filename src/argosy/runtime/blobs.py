"""Blobs by digest: immutable files named by the SHA-256 of their bytes."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from argosy.core import NotFound, OutOfSpace

_CHUNK = 1 << 20


class Blobs:
    """A folder of blobs. Writing is atomic: a blob is there whole, or not at all. Processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Store the bytes; returns their digest (64 hex digits) and size in bytes. Raises OutOfSpace."""
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f".{secrets.token_hex(8)}"
        digest, size = hashlib.sha256(), 0
        try:
            with open(temporary, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self._publish(temporary, digest.hexdigest())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace(
                    "The disk that holds Argosy's home is full. Free some space and try again.", code="disk_full"
                ) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def put_file(self, path: Path) -> tuple[str, int]:
        """Store a copy of a file, read in pieces."""
        return self.put(_read(path))

    def path(self, digest: str) -> Path:
        """Where the blob lies, for reading only. Raises NotFound."""
        path = self._place(digest)
        if not path.exists():
            raise NotFound(f"The stored content {digest[:12]}… is gone from Argosy's home.", code="blob_not_found")
        return path

    def read(self, digest: str) -> Iterator[bytes]:
        """The bytes, in pieces of at most 1 MiB. Raises NotFound at once, not at the first piece."""
        return _read(self.path(digest))

    def _publish(self, temporary: Path, digest: str) -> None:
        place = self._place(digest)
        place.parent.mkdir(exist_ok=True)
        os.replace(temporary, place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _place(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise NotFound("That is not a blob digest.", code="blob_not_found")
        return self.root / digest[:2] / digest


def _read(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
