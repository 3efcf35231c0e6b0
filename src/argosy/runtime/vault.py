"""Secrets that must be read again, such as a provider's key: encrypted with a key that is not in the database."""

import base64
import binascii
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from argosy.core import Unavailable

_KEY_BYTES, _NONCE_BYTES = 32, 12


class Vault:
    """Seals and opens texts with AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        """``key``: 32 bytes. Raises ValueError."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key of the vault has {len(key)} bytes, not {_KEY_BYTES}")
        self._cipher = AESGCM(key)

    def seal(self, secret: str, purpose: str) -> bytes:
        """What may be stored. It opens for the same ``purpose`` only, so that rows cannot be exchanged."""
        return self.seal_bytes(secret.encode(), purpose)

    def seal_bytes(self, secret: bytes, purpose: str) -> bytes:
        """The same of bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """The secret. Raises Unavailable if it was sealed with another key, for another purpose, or was changed."""
        return self.open_bytes(sealed, purpose).decode()

    def open_bytes(self, sealed: bytes, purpose: str) -> bytes:
        """The same of bytes."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, purpose.encode())
        except (InvalidTag, ValueError):
            raise Unavailable(
                "A stored secret cannot be read with this platform's key. Bring back the file secret.key of the home "
                "(or ARGOSY_SECRET_KEY) that it was stored with, or set the secret again.",
                code="secret_unreadable",
                retry_after_s=60,
            ) from None


def open_vault(home: Path, environment: Mapping[str, str] = os.environ) -> Vault:
    """The vault of a home: its key is ``ARGOSY_SECRET_KEY`` (32 bytes in base64), or ``secret.key``, made when first
    asked for and readable by its owner alone. Raises ValueError for a malformed key, OSError.
    """
    if text := environment.get("ARGOSY_SECRET_KEY"):
        return Vault(_decoded(text, "ARGOSY_SECRET_KEY"))
    file = home / "secret.key"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _publish_first(file, base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
    return Vault(_decoded(file.read_text(encoding="ascii"), str(file)))


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where} is not base64") from error


def _publish_first(file: Path, content: bytes) -> None:
    """Make the file whole, unless another process was first: then its file stays."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # for its owner alone
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.link(temporary, file)
    except FileExistsError:
        pass
    finally:
        os.close(descriptor)
        os.unlink(temporary)
