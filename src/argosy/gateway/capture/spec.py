"""What a project wants kept of its requests, and the word by which all processes agree on which ones."""

import hashlib

import msgspec

from argosy.redaction.document import Rules

DAYS_MAX = 3650
ROWS_LIMIT = 10_000_000
BYTES_LIMIT = 1 << 40
_WHOLE = 1 << 64


class CaptureSpec(msgspec.Struct, frozen=True):
    """The settings of a project that captures."""

    share: float = 1.0
    """Of the requests, 0 to 1."""
    models: tuple[str, ...] = ()
    """Names that requests ask by; empty: all."""
    rules: Rules = Rules()
    days: int = 30
    """How long a captured request is kept."""
    rows_max: int = 100_000
    bytes_max: int = 256 << 20
    """Beyond either bound the oldest go, those that nobody rated first."""

    def takes(self, request_id: str, model: str) -> bool:
        """Whether this request is one of those to keep: always the same for the same id."""
        if self.models and model not in self.models:
            return False
        if self.share >= 1:
            return True
        drawn = int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest())
        return drawn < self.share * _WHOLE


_DECODER = msgspec.json.Decoder(CaptureSpec)


def write(spec: CaptureSpec) -> str:
    """As it is stored."""
    return msgspec.json.encode(spec).decode()


def read(text: str) -> CaptureSpec:
    """Raises ValueError for what `write` did not write."""
    return _DECODER.decode(text)
