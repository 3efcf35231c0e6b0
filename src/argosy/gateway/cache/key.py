"""When two requests are the same question, so that the answer to one is the answer to the other.

Everything in a body counts, to the byte, but for white space, the order of its members, and the few members that do not
change the answer. Two spellings of the same text are two questions: that costs a miss, where guessing could cost a
wrong answer.
"""

import hashlib

import msgspec
from msgspec import Raw

import argosy
from argosy.gateway.requests import Request

_WITHOUT_EFFECT = frozenset(
    {
        "model",  # what it resolves to counts instead
        "user",
        "stream",
        "stream_options",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NULL = b"null"


class Question:
    """What a request asks, apart from whom."""

    def __init__(self, request: Request) -> None:
        # Of a member that is there twice the last counts, as for the engines.
        found = {name: bytes(raw) for name, raw in _MEMBERS.decode(request.body).items()}
        self._members = {name: raw for name, raw in found.items() if name not in _WITHOUT_EFFECT and raw != _NULL}
        self._kind = request.kind

    @property
    def settled(self) -> bool:
        """Whether asking again would give the same answer: nothing is drawn at random, or from a given seed."""
        if not self._kind.completes or "seed" in self._members:
            return True
        temperature = self._members.get("temperature")
        return temperature is not None and float(temperature) == 0

    def key(self, project_id: str, model: str) -> str:
        """The name of the answer (64 hex digits) that ``model``, an offer's identity, gives to this project."""
        digest = hashlib.blake2b(digest_size=32)
        names = (argosy.__version__, project_id, model, self._kind.value)
        for piece in (*(name.encode() for name in names), *self._written()):
            digest.update(len(piece).to_bytes(8, "big"))  # so that no two lists of pieces look alike
            digest.update(piece)
        return digest.hexdigest()

    def _written(self) -> list[bytes]:
        pieces = []
        for name in sorted(self._members):
            pieces += [name.encode("utf-8", "surrogatepass"), msgspec.json.format(self._members[name], indent=-1)]
        return pieces
