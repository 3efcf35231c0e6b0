"""When two requests are the same question, so that the answer to one is the answer to the other.

Everything in a body counts, to the byte, but for white space, the order of its members, and the few members that do not
change the answer. Two spellings of the same text are two questions: that costs a miss, where guessing could cost a
wrong answer.
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

import argosy
from argosy.gateway.requests import Kind, Request

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
    """What a request asks, apart from whom. To make one takes a pass over the body, its keys cost nothing."""

    def __init__(self, request: Request) -> None:
        # Of a member that is there twice the last counts, as for the engines.
        found = {name: bytes(raw) for name, raw in _MEMBERS.decode(request.body).items()}
        members = {name: raw for name, raw in found.items() if name not in _WITHOUT_EFFECT and raw != _NULL}
        self._kind = request.kind
        self.settled = _settled(request.kind, members)
        """Whether asking again would give the same answer: nothing is drawn at random, or from a given seed."""
        self._digest = _digest(
            piece
            for name in sorted(members)
            for piece in (name.encode("utf-8", "surrogatepass"), msgspec.json.format(members[name], indent=-1))
        )

    def key(self, project_id: str, model: str) -> str:
        """The name of the answer (64 hex digits) that ``model``, an offer's identity, gives to this project."""
        names = (argosy.__version__, project_id, model, self._kind.value)
        return _digest((*map(str.encode, names), self._digest)).hex()


def _settled(kind: Kind, members: Mapping[str, bytes]) -> bool:
    if not kind.completes or "seed" in members:
        return True
    temperature = members.get("temperature")
    return temperature is not None and float(temperature) == 0


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big"))  # so that no two lists of pieces look alike
        digest.update(piece)
    return digest.digest()
